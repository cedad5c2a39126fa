"""Rules of composite alarms."""

import pytest

from localcloud.alarm import AlarmState
from localcloud.alarm_rule import RuleError, read_rule

STATES = {"red": AlarmState.ALARM, "green": AlarmState.OK, "grey one": AlarmState.INSUFFICIENT_DATA}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("ALARM(red)", True),
        ('ALARM("red") AND OK(green)', True),
        ("ALARM(green) OR ALARM(red)", True),
        ("NOT ALARM(red)", False),
        ("NOT (ALARM(green) OR OK(red))", True),
        ('INSUFFICIENT_DATA("grey one")', True),
        ("INSUFFICIENT_DATA(nobody)", True),
        ("ALARM(green) OR ALARM(red) AND OK(red)", False),
        ("ALARM(arn:aws:cloudwatch:us-east-1:123456789012:alarm:red)", True),
        ("TRUE AND NOT FALSE", True),
    ],
)
def test_a_rule_holds_as_it_reads(text, holds):
    assert read_rule(text).holds(STATES.get) is holds


def test_a_rule_knows_its_alarms():
    assert read_rule('ALARM("grey one") AND NOT OK(red)').alarms == {"grey one", "red"}


@pytest.mark.parametrize(
    "text", ["", "ALARM", "ALARM()", "ALARM(red) AND", "(ALARM(red)", "ALARM(red))", "red", "NOT " * 200 + "TRUE"]
)
def test_what_is_no_rule_is_refused(text):
    with pytest.raises(RuleError):
        read_rule(text)
