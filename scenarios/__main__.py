"""`python -m scenarios` writes the pages of the documentation that are made from scenarios."""

from scenarios import walkthrough
from scenarios.attacks import classes

if __name__ == "__main__":
    for made in (walkthrough, classes):
        made.PAGE.write_text(made.page(), encoding="utf-8")
