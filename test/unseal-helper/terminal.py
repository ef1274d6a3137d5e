"""Runs a program at a pseudo-terminal and plays an operator.

argv: JSON of {"command": [...], "steps": [["text to wait for", "text to type"], ...]}
stdout: JSON of {"output", "code", "echo": [whether the terminal echoed, per step], "before", "after": terminal flags}
"""
import fcntl, json, os, pty, select, signal, subprocess, sys, termios, time

LIMIT_SECONDS = 60


def flags(fd):
    local = termios.tcgetattr(fd)[3]
    return {name: bool(local & getattr(termios, name)) for name in ("ECHO", "ICANON", "ISIG")}


def begin():
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


plan = json.loads(sys.argv[1])
master, slave = pty.openpty()
before = flags(slave)
child = subprocess.Popen(plan["command"], stdin=slave, stdout=slave, stderr=slave, preexec_fn=begin)
output, seen, echo = "", 0, []
end = time.time() + LIMIT_SECONDS


def read(wait):
    global output
    if select.select([master], [], [], wait)[0]:
        output += os.read(master, 4096).decode()
        return True
    return False


for expected, typed in plan["steps"]:
    while expected not in output[seen:]:
        if time.time() > end:
            child.send_signal(signal.SIGKILL)
            sys.exit("no %r in %r" % (expected, output))
        read(0.1)
    seen = output.index(expected, seen) + len(expected)
    while flags(slave)["ICANON"] and time.time() < end:
        time.sleep(0.01)
    echo.append(flags(slave)["ECHO"])
    os.write(master, typed.encode())
while child.poll() is None and time.time() < end:
    read(0.1)
while read(0.1):
    pass
print(json.dumps({"output": output, "code": child.returncode, "echo": echo, "before": before, "after": flags(slave)}))
