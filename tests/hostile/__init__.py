"""Hostile targets, files and disks: none of them may hurt the user, lie to them or lose what was found."""
