"""What is said about an alarm's state."""

from localcloud.alarm import COMPARISONS, AlarmState, Condition, Datapoint, Finding, Missing
from localcloud.alarm_text import describe_state, reason_data, subject

AT = 1795561200.0  # 24 November 2026, 23:00 UTC
ASKED = Condition(COMPARISONS["GreaterThanThreshold"], 1.0, 3, 2, Missing.NOT_BREACHING)


def test_a_breach_is_told_with_its_datapoints():
    finding = Finding(AlarmState.ALARM, (Datapoint(AT, 2.0), Datapoint(AT - 60, 3.0), Datapoint(AT - 120, 0.0)))
    assert describe_state(ASKED, finding, AlarmState.OK) == (
        "Threshold Crossed: 2 out of the last 3 datapoints [2.0 (24/11/26 23:00:00), 3.0 (24/11/26 22:59:00)] were "
        "greater than the threshold (1.0) (minimum 2 datapoints for OK -> ALARM transition)."
    )


def test_the_way_back_is_told_with_what_did_not_breach():
    finding = Finding(AlarmState.OK, (Datapoint(AT, 0.0),))
    assert describe_state(ASKED, finding, AlarmState.ALARM) == (
        "Threshold Crossed: 1 out of the last 1 datapoint [0.0 (24/11/26 23:00:00)] was not greater than the "
        "threshold (1.0) (minimum 2 datapoints for ALARM -> OK transition)."
    )


def test_missing_datapoints_are_told_with_what_they_were_taken_for():
    assert describe_state(ASKED, Finding(AlarmState.OK, (), 3), AlarmState.ALARM) == (
        "Threshold Crossed: no datapoints were received for 3 periods and 3 missing datapoints were treated as "
        "[NonBreaching]."
    )
    assert describe_state(ASKED, Finding(AlarmState.INSUFFICIENT_DATA, (), 1), AlarmState.OK) == (
        "Insufficient Data: 1 datapoint was unknown."
    )


def test_the_data_of_a_reason_says_when_and_what():
    finding = Finding(AlarmState.ALARM, (Datapoint(AT, 2.0, 4.0), Datapoint(AT - 60, 3.0, 1.0)))
    data = reason_data(ASKED, finding, statistic="Sum", period=60, now=AT + 62)
    assert data["startDate"] == "2026-11-24T22:59:00.000+0000"
    assert data["queryDate"] == "2026-11-24T23:01:02.000+0000"
    assert data["recentDatapoints"] == [3.0, 2.0]
    assert data["evaluatedDatapoints"][0] == {
        "timestamp": "2026-11-24T23:00:00.000+0000",
        "sampleCount": 4.0,
        "value": 2.0,
    }


def test_a_subject_fits_a_topic():
    assert subject("errors", "ALARM", "us-east-1") == 'ALARM: "errors" in US East (N. Virginia)'
    assert len(subject("e" * 255, "ALARM", "us-east-1")) == 100
