"""`python -m scenarios` writes the pages of the documentation that are made from scenarios."""

from harness.outputs import write_whole
from scenarios import walkthrough
from scenarios.attacks import classes

if __name__ == "__main__":
    for made in (walkthrough, classes):
        write_whole(made.PAGE, made.page())
