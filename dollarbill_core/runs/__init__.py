"""When does it run, and who is told?"""
