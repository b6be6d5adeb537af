"""What did we earn, or would have?"""
