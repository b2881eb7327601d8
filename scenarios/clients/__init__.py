"""What matters most in the programs that people chat with: what they do with lines, and what they show."""
