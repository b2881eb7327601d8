"""What matters most in the programs that people chat with: lines, the screen, starting again, and logs."""
