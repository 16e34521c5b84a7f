"""tap.py -- checks with a sentence each, and the closing line."""
passed = failed = 0
SHOWN = 10


def check(sentence, findings):
    """Good when there is nothing to find fault with; else the first findings are shown."""
    global passed, failed
    for finding in findings[:SHOWN]:
        print("# %s" % str(finding).replace("\n", "\n# "))
    if len(findings) > SHOWN:
        print("# and %d more" % (len(findings) - SHOWN))
    if findings:
        failed += 1
    else:
        passed += 1
    print("%sok %d - %s" % ("not " if findings else "", passed + failed, sentence), flush=True)


def equal(sentence, got, want):
    check(sentence, [] if got == want else ["got %r, want %r" % (got, want)])


def done():
    print("1..%d\n%d passed, %d failed" % (passed + failed, passed, failed), flush=True)
    return 1 if failed or not passed else 0
