#!/usr/bin/env python3
"""Both halves of socket scripts as tutorials teach them and companies keep running them: recv(1024), one send for a
request, no loop where the original has none, one connection after another. Not to be made better: that they are bad is
what is tested. Only `--cut` (every send goes out byte by byte) and the file loops are not of the originals.

    naive.py server DIALECT [--cut] [--gbk] [--dir DIR] [--times N]    prints its port, answers N connections (1)
    naive.py client DIALECT PORT|PATH [--cut] [--dir DIR] WORD...      prints what came
"""
import argparse
import json
import os
import socket
import struct
import subprocess
import sys
import time

arguments = argparse.ArgumentParser()
arguments.add_argument("side")
arguments.add_argument("dialect")
arguments.add_argument("words", nargs="*")
arguments.add_argument("--cut", action="store_true")
arguments.add_argument("--glue", action="store_true")
arguments.add_argument("--gbk", action="store_true")
arguments.add_argument("--dir", default=".")
arguments.add_argument("--times", type=int, default=1)
options = arguments.parse_args()


def send(conn, data):
    if not options.cut:
        conn.send(data)
        return
    conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for at in range(len(data)):
        conn.send(data[at : at + 1])


def sendall(conn, data):
    if options.cut:
        send(conn, data)
    else:
        conn.sendall(data)


def run(command):
    done = subprocess.run(command, shell=True, capture_output=True)
    out, err = done.stdout, done.stderr
    if options.gbk:
        out, err = (text.decode("utf-8").encode("gbk") for text in (out, err))
    return out, err


def write_out(data):
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


# --- servers -----------------------------------------------------------------------------------------------------


def serve_echo(conn, change=lambda data: data):
    while True:
        data = conn.recv(1024)
        if not data:
            break
        send(conn, change(data))


def serve_commands(conn, answer):
    while True:
        command = conn.recv(1024)
        if not command:
            break
        answer(conn, *run(command.decode("utf-8")))


def answer_exec(conn, out, err):
    sendall(conn, out + err)


def answer_length(conn, out, err):
    sendall(conn, struct.pack("i", len(out) + len(err)))
    sendall(conn, out)
    sendall(conn, err)


def answer_header(conn, out, err):
    header = {"filename": "a.txt", "md5": "8f6fbf8347faa4924a76856701edb0f3", "total_size": len(out) + len(err)}
    data = json.dumps(header).encode("utf-8")
    sendall(conn, struct.pack("i", len(data)))
    sendall(conn, data)
    sendall(conn, out + err)


def answer_textlen(conn, out, err):
    sendall(conn, str(len(out)).encode("utf-8"))
    if not options.glue:
        time.sleep(0.02)
    sendall(conn, out)


def serve_chat(conn):
    while True:
        data = conn.recv(1024)
        if not data or data == b"q":
            break
        conn.send(b"you said " + data)


def serve_ftp(conn):
    request = conn.recv(1024).decode("utf-8")
    if request == "":
        return
    verb, name, size = request.split(">")
    path = os.path.join(options.dir, os.path.basename(name))
    if verb == "put":
        send(conn, b"ok")
        left = int(size)
        with open(path, "wb") as file:
            while left > 0:
                data = conn.recv(1024)
                if not data:
                    break
                file.write(data)
                left -= len(data)
    elif not os.path.exists(path):
        send(conn, b"no")
    else:
        send(conn, ("yes:%d" % os.path.getsize(path)).encode("utf-8"))
        conn.recv(1024)
        with open(path, "rb") as file:
            sendall(conn, file.read())


def serve_post(conn):
    head = conn.recv(1024)
    verb, name, rest = head.split(b"|", 2)
    # the original takes the whole rest of the segment for the size; here the data may stick to it
    digits = len(rest) - len(rest.lstrip(b"0123456789"))
    left, data = int(rest[:digits]), rest[digits:]
    with open(os.path.join(options.dir, os.path.basename(name.decode("utf-8"))), "wb") as file:
        while left > 0:
            if not data:
                data = conn.recv(1024)
                if not data:
                    break
            file.write(data[:left])
            left -= len(data)
            data = b""


def serve():
    handlers = {
        "echo": serve_echo,
        "upper": lambda conn: serve_echo(conn, bytes.upper),
        "greet": lambda conn: send(conn, b"Thank you for connecting\r\n"),
        "exec": lambda conn: serve_commands(conn, answer_exec),
        "exec-length": lambda conn: serve_commands(conn, answer_length),
        "exec-header": lambda conn: serve_commands(conn, answer_header),
        "exec-textlen": lambda conn: serve_commands(conn, answer_textlen),
        "chat": serve_chat,
        "ftp-gt": serve_ftp,
        "post-pipe": serve_post,
    }
    server = socket.socket()
    server.bind(("127.0.0.1", 0))
    server.listen(5)
    print(server.getsockname()[1], flush=True)
    for _ in range(options.times):
        conn, _address = server.accept()
        handlers[options.dialect](conn)
        conn.close()


# --- clients -----------------------------------------------------------------------------------------------------


def exactly(conn, size):
    """As the better ones of the tutorials have it: a loop of recv(1024) until all is there."""
    data = bytearray()
    while len(data) < size:
        piece = conn.recv(1024)
        if not piece:
            break
        data += piece
    return bytes(data)


def ask_exec(conn):
    return conn.recv(1024)


def ask_length(conn):
    (size,) = struct.unpack("i", conn.recv(4))
    return exactly(conn, size)


def ask_header(conn):
    (size,) = struct.unpack("i", conn.recv(4))
    header = json.loads(conn.recv(size).decode("utf-8"))
    return exactly(conn, header["total_size"])


def ask_textlen(conn):
    return exactly(conn, int(conn.recv(1024).decode("utf-8")))


def ask_ftp(conn, verb, name):
    path = os.path.join(options.dir, os.path.basename(name))
    if verb == "put":
        send(conn, ("put>%s>%d" % (name, os.path.getsize(path))).encode("utf-8"))
        answer = conn.recv(1024)
        if answer != b"ok":
            write_out(answer)
            return
        with open(path, "rb") as file:
            sendall(conn, file.read())
        return
    send(conn, ("get>%s>2" % name).encode("utf-8"))
    answer = conn.recv(1024).decode("utf-8")
    if answer == "no":
        write_out(b"no")
        return
    send(conn, b"ok")
    data = exactly(conn, int(answer.split(":")[1]))
    with open(path, "wb") as file:
        file.write(data)


def post(conn, name):
    with open(os.path.join(options.dir, os.path.basename(name)), "rb") as file:
        data = file.read()
    head = ("post|%s|%d" % (name, len(data))).encode("utf-8")
    if options.cut:
        # SIZE ends with the first segment: on a busy machine the first read could have any part of the head
        send(conn, head[:1])
        head = head[1:]
        time.sleep(0.2)
    if options.glue:
        sendall(conn, head + data)
    else:
        sendall(conn, head)
        sendall(conn, data)


def ask():
    address, words = options.words[0], options.words[1:]
    if address.isdigit():
        conn = socket.create_connection(("127.0.0.1", int(address)))
    else:
        conn = socket.socket(socket.AF_UNIX)
        conn.connect(address)
    conn.settimeout(10)
    askers = {
        "exec": ask_exec,
        "exec-length": ask_length,
        "exec-header": ask_header,
        "exec-textlen": ask_textlen,
    }
    if options.dialect in askers:
        for word in words:
            send(conn, word.encode("utf-8"))
            write_out(askers[options.dialect](conn))
    elif options.dialect in ("echo", "upper"):
        for word in words:
            send(conn, word.encode("utf-8"))
            write_out(exactly(conn, len(word.encode("utf-8"))))
    elif options.dialect == "chat":
        for word in words:
            conn.send(word.encode("utf-8"))
            write_out(conn.recv(1024) + b"\n")
        conn.send(b"q")
        write_out(conn.recv(1024))
    elif options.dialect == "greet":
        write_out(conn.recv(1024))
    elif options.dialect == "ftp-gt":
        ask_ftp(conn, *words)
    elif options.dialect == "post-pipe":
        post(conn, words[0])
    conn.close()


if options.side == "server":
    serve()
else:
    ask()
