"""Counts the words of a text in SQLite, as a function that brings no package with it."""

import re
import sqlite3


def handler(event, context):
    words = re.findall(r"\w+", event["text"].lower())
    with sqlite3.connect(":memory:") as database:
        database.execute("CREATE TABLE words (word TEXT)")
        database.executemany("INSERT INTO words VALUES (?)", [(word,) for word in words])
        top = database.execute(
            "SELECT word, COUNT(*) AS uses FROM words GROUP BY word ORDER BY uses DESC, word LIMIT 3"
        ).fetchall()
    return {"words": len(words), "top": top}
