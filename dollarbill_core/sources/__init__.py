"""Where do quotes come from?"""
