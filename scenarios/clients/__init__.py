"""What matters most in chat programs: lines, the screen, restarts, and logs."""
