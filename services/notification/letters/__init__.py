"""What operators write to donors: templates by campaign, way and language, and the message made of one."""
