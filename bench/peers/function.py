# The function that every subject runs, in Python. Its counter tells a fresh process (1) from one that was used before.
calls = 0


def handler(event, context):
    global calls
    calls += 1
    return {"hello": event.get("name", "world"), "calls": calls}
