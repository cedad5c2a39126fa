"""A refusal has the form that the caller's protocol reads."""

from __future__ import annotations

from localcloud.refusal import refuse
from localcloud.request import Call

FORM = "application/x-www-form-urlencoded"


def test_a_query_call_is_refused_in_xml_also_when_its_body_was_not_read():
    call = Call("cloudformation", "us-east-1", "POST", "/", target="", content_type=FORM, body=b"")
    _, headers, body = refuse(call, "500 Internal Server Error", "InternalFailure", "it <failed>")
    assert headers["Content-Type"] == "text/xml"
    assert b"<Message>it &lt;failed&gt;</Message>" in body
