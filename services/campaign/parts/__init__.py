"""Sub-campaigns (分活动): teams, counties and companies that raise under a campaign's filing number.

Each has a fund of its own; the parent shows the sum of its tree and never holds a part's money.
"""
