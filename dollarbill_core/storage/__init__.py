"""Where do market data lie, and are they whole?"""
