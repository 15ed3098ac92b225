"""Notification: who is told, by what way, and did it arrive?"""
