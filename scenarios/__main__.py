"""`python -m scenarios` writes the pages of the documentation that are made from scenarios."""

from scenarios import walkthrough

if __name__ == "__main__":
    walkthrough.PAGE.write_text(walkthrough.page(), encoding="utf-8")
