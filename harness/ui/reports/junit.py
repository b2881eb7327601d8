"""A run as JUnit XML, for services that show test results."""

from __future__ import annotations

from junitparser import Error, Failure, JUnitXml, Properties, Property, Skipped, TestCase, TestSuite

from otterproof.harness.ui.reports.card import Card

#: The part after the names of classes, which makes services group by module.
ROOT = "otterproof"


def as_junit(card: Card) -> str:
    """The scenarios of a card as test cases; known and merely recommended failures are skipped ones."""
    suite = TestSuite(f"{ROOT} {card['target']['name']}")
    told = {name: cause for cause in card["causes"] for name in cause["scenarios"]}
    for one in card["scenarios"]:
        suite.add_testcase(_case(one, told.get(one["id"])))
    suite.update_statistics()
    xml = JUnitXml(ROOT)
    xml.add_testsuite(suite)
    text = xml.tostring()
    return text.decode() if isinstance(text, bytes) else str(text)


def _case(one: Card, cause: Card | None) -> TestCase:
    whole, _, version = one["id"].rpartition("[")
    module, _, name = whole.rpartition(".")
    case = TestCase(f"{name}[{version}", f"{ROOT}.{module}", one["seconds"])
    properties = Properties()
    properties.add_property(Property("requirements", " ".join(one["requirements"])))
    if one["check"]:
        properties.add_property(Property("check", one["check"]))
    case.append(properties)
    text = "\n".join(cause["record"]) if cause is not None and cause["first"] == one["id"] else one["detail"]
    if one["known"]:
        case.result = [Skipped(f"known: {one['known']}")]
    elif one["verdict"] == "unsupported":
        case.result = [Skipped(one["detail"])]
    elif one["counts"]:
        failure = Failure(one["check"] or one["verdict"], one["verdict"])
        failure.text = text
        case.result = [failure]
    elif one["verdict"] == "fail":
        case.result = [Skipped(f"only recommended: {one['check']}")]
    elif one["verdict"] != "pass":
        error = Error(one["verdict"], "infra")
        error.text = text
        case.result = [error]
    return case
