"""What does the market say?"""
