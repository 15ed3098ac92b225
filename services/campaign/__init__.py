"""The campaign service: may it launch, is the goal reached, may this be spent?"""
