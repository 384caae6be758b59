#!/usr/bin/env python3
"""Two people by turns, as tutorials teach it: recv(1024), a line of input, one send. Not to be made better.

    naive-chat.py server [gbk]             prints its port, then what it hears; answers with lines of stdin
    naive-chat.py client PORT [gbk]        begins with a line of stdin
"""
import socket
import sys

side, *words = sys.argv[1:]
encoding = "gbk" if "gbk" in words else "utf-8"


def hear(conn):
    data = conn.recv(1024)
    if not data or data.decode(encoding) == "q":
        print("over", flush=True)
        return False
    print("heard " + data.decode(encoding), flush=True)
    return True


def speak(conn):
    line = sys.stdin.readline().rstrip("\n")
    if line:
        conn.send(line.encode(encoding))
    return line not in ("", "q")


if side == "server":
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(5)
    print(listener.getsockname()[1], flush=True)
    conn, _ = listener.accept()
    while hear(conn) and speak(conn):
        pass
else:
    conn = socket.socket()
    conn.connect(("127.0.0.1", int(words[0])))
    while speak(conn) and hear(conn):
        pass
conn.close()
