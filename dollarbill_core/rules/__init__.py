"""What is allowed, and what does it cost?"""
