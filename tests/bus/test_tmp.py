import os, time, shutil, threading
import pytest
from tests.node.workers import workers
from tests.bus.cluster import Cluster
from tests.bus import acts
from tests.wait import wait_until
from nothing_shared.node import process, slots
from nothing_shared.bus import publish
@pytest.fixture
def cluster(tmp_path):
    with workers() as ws:
        yield Cluster(ws, tmp_path, bus={"LOCATION": str(tmp_path/"bus")})
def chatter():
    def go():
        n=0
        while True:
            n+=1
            try: publish("chat", n)
            except Exception as e: print("chat", repr(e))
            time.sleep(0.001)
    threading.Thread(target=go,daemon=True).start()
def test_ring_deleted(cluster, tmp_path):
    a=cluster.node("a","x"); b=cluster.node("b","x")
    a.run(chatter); b.run(chatter)
    time.sleep(1.5)
    shutil.rmtree(tmp_path/"bus")
    t=time.time()
    for _ in range(25):
        time.sleep(0.1)
        print([round(w.run(acts.lease_left)/1e9,2) for w in (*a.workers,*b.workers)])
    print(a.gaps(), b.gaps())
def dbcheck(o):
    from django.db import connections
    from django.conf import settings
    c=connections["default"]
    try:
        with c.cursor() as cur: cur.execute("select 1"); return False
    except Exception as e:
        print("check", repr(e))
        return True
    finally:
        c.close()
def set_check():
    process.on_orphan(dbcheck)
def intend():
    process.current().intend([slots.table("d","t")], session=7)
def test_orphan(cluster):
    a=cluster.node("a","x",workers=2); b=cluster.node("b","x")
    for w in a.workers: w.run(set_check)
    ag=a.agent(); other=[w for w in a.workers if w is not ag][0]
    other.run(intend); other.kill(); a.workers=[ag]
    for _ in range(15):
        time.sleep(0.1)
        print([round(w.run(acts.lease_left)/1e9,2) for w in (*a.workers,*b.workers)])
