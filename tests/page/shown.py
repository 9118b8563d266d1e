"""What the page shows, read from its document, and that it is what its node says."""

import time

from tool import LIMIT
from tool_http_test import Stream

# All that is shown at one moment; of numbers what they are, and of counts the digits that are read as well.
SHOWN = """(() => {
  const table = (id, column) => Object.fromEntries([...document.querySelectorAll(`#${id} tbody tr`)].map((each) =>
    [each.dataset.key, Number(each.children[column].dataset.value)]));
  return {at: Number(document.body.dataset.at), links: table('links', 6), families: table('families', 1),
    ports: table('ports', 2), counts: Object.fromEntries([...document.querySelectorAll('#counts dd')].map((each) =>
      [each.id.slice('count-'.length), [Number(each.dataset.value), each.textContent.replace(/\\D/g, '')]]))};
})()"""
STATES = "Object.fromEntries([...document.querySelectorAll('.node')].map((each) => [each.dataset.node, each.dataset.state]))"
ALARMS = "[...document.querySelectorAll('#alarms li')].map((each) => each.dataset.alarm)"


def rows(table):
    return f"[...document.querySelectorAll('#{table} tbody tr')].map((each) => each.dataset.key)"


def same_moment(test, page, node):
    """What the page shows, and the event that it shows: every stream is told the same."""
    stream = Stream(test, node)
    stream.open()
    deadline = time.monotonic() + LIMIT
    events = {}
    while time.monotonic() < deadline:
        event = stream.next()[1]
        events[event["node"]["time"]] = event
        shown = page.ask(SHOWN)
        if shown["at"] in events:
            stream.close()
            return shown, events[shown["at"]]
    test.fail("the page shows no event of this node")


def assert_same(test, page, node):
    """Every number that is shown is the one of the event.  Returns what is shown."""
    shown, event = same_moment(test, page, node)
    counts = {**event["node"]["counts"],
              **{"failed_" + name: value for name, value in event["node"]["handshakes_failed"].items()}}
    test.assertEqual(shown["counts"], {name: [value, str(value)] for name, value in counts.items()})
    test.assertEqual(shown["links"], {link["node"]: link["queued_bytes"] for link in event["links"]["links"]})
    test.assertEqual(shown["families"], {each["family"]: each["keys"] for each in event["database"]["families"]})
    test.assertEqual(shown["ports"], {port["port"]: port["messages"] for port in event["ports"]["ports"]
                                      if port["messages"] > 0})
    return shown
