"""What do the files of vendors say?"""
