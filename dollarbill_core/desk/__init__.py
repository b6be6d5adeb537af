"""Who trades, and is it written down?"""
