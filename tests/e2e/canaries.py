"""Looks for what must stand nowhere in clear, in every form that it could have on its way."""
import base64
import json
import os
import urllib.parse

from harness import tidemark


def forms(text):
    """What a text looks like where somebody forgot to hide it."""
    plain = text.encode()
    return {plain, plain.hex().encode(), base64.b64encode(plain).rstrip(b"=")[:-1], base64.urlsafe_b64encode(plain).rstrip(b"=")[:-1],
            json.dumps(text)[1:-1].encode(), json.dumps(text, ensure_ascii=False)[1:-1].encode(), urllib.parse.quote(text).encode()}


def files_below(directory):
    for place, _, names in os.walk(directory):
        for name in names:
            yield os.path.join(place, name)


def search(server, secrets, answers):
    """(where, form) of each secret in what was answered, and in all that is left behind when the server has ended;
    and the texts that were looked through."""
    for _ in range(3):  # rows flushed, the log rotated by starts
        server.stop()
        server.start()
    server.stop()
    tidemark("backup", os.path.join(server.directory, "backup"), "--data", server.data)
    texts = {"log dump": tidemark("log", "dump", "--data", server.data).stdout.encode()}
    for path in files_below(server.directory):
        with open(path, "rb") as file:
            texts[path] = file.read()
    for number, answer in enumerate(answers):
        texts[f"answer {number}"] = answer if isinstance(answer, bytes) else f"{answer.headers}".encode() + answer.body
    wanted = [form for secret in ([secrets] if isinstance(secrets, str) else secrets) for form in forms(secret)]
    return [(where, form) for where, text in texts.items() for form in wanted if form in text], list(texts.values())
