"""What exists, and what just happened?"""
