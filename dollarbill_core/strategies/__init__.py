"""What do we want to do today?"""
