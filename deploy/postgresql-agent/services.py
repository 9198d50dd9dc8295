"""Keeps Services where the primary is, when Kubernetes and Patroni are not of one mind about a member, and says when its
volume is full.

services demote ROLE_LABEL SELECTOR ACTION ROLE SCOPE
    Patroni calls it when the role of its member changes, and gives the last three:
    https://patroni.readthedocs.io/en/latest/yaml_configuration.html#postgresql (callbacks).
    A member writes its role on its own pod. One that was the primary and is frozen, or on a node that nobody hears from,
    does not, and would go on being a primary for Services until Kubernetes finds out that it is not ready: up to a minute,
    in which half of the connections lead there. So the new primary makes replicas of the others.

services watch ROLE_LABEL SELECTOR MEMBERS LEAVING STORAGE_LABEL VOLUME
    Where only the kubelet is dead, a primary goes on, and holds its lock; but Kubernetes takes its pod
    out of Services, and nobody can write. So it hands over to a replica whose pod is ready. What tells this from a member
    that is not ready is that Kubernetes then says Ready=False of the pod and still ContainersReady=True:
    https://kubernetes.io/docs/concepts/architecture/nodes/#condition

    And where there are to be fewer members, as the file MEMBERS says, those of higher number go. A primary among them hands
    over to one that stays: left to itself Patroni might choose another that goes, and one that stays but has only just
    come may not take over at all, because it is not yet among those that the primary noted down for its failsafe mode.
    In synchronous mode those that go leave being synchronous to those that stay; LEAVING is the file of Patroni's
    configuration that says so: https://patroni.readthedocs.io/en/latest/yaml_configuration.html#tags

    And while the file system at VOLUME has no room left, the pod has STORAGE_LABEL=full.
"""

import json
import os
import ssl
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount'


def read(path):
    with open(path) as file:
        return file.read().strip()


# Of the room on a volume: so little that the next file of the write-ahead log, 16 MiB, may find none; and so much that it
# has room again. Between the two nothing changes, lest it be said and taken back all the time.
FULL = 32 << 20
ROOMY = 64 << 20

JSON_PATCH = 'application/json-patch+json'
MERGE_PATCH = 'application/merge-patch+json'


def pods(method, path, body=None, kind=JSON_PATCH):
    """Asks the API server for pods of the own namespace."""
    host = os.environ['KUBERNETES_SERVICE_HOST']
    host = f'[{host}]' if ':' in host else host
    namespace = read(f'{ACCOUNT}/namespace')
    url = f'https://{host}:{os.environ["KUBERNETES_SERVICE_PORT"]}/api/v1/namespaces/{namespace}/pods{path}'
    headers = {'Authorization': f'Bearer {read(f"{ACCOUNT}/token")}', 'Content-Type': kind}
    return send(method, url, headers, body, ssl.create_default_context(cafile=f'{ACCOUNT}/ca.crt'))


def send(method, url, headers, body=None, tls=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers, method=method)
    with urllib.request.urlopen(request, timeout=10, context=tls) as response:
        text = response.read()
    return json.loads(text) if text.startswith(b'{') else text


def listed(selector):
    return pods('GET', f'?{urllib.parse.urlencode({"labelSelector": selector})}')['items']


def demote(label, selector, _action, role, _scope):
    if role not in ('primary', 'promoted', 'master'):
        return
    path = f'/metadata/labels/{label.replace("/", "~1")}'
    for pod in listed(f'{selector},{label}=primary'):
        name = pod['metadata']['name']
        if name == os.environ['POD_NAME']:
            continue
        test = {'op': 'test', 'path': path, 'value': 'primary'}
        try:
            pods('PATCH', f'/{name}', [test, {'op': 'replace', 'path': path, 'value': 'replica'}])
            log(f'{name} does not lead Services any more')
        except urllib.error.HTTPError as error:
            # It is gone, or has said so itself.
            if error.code not in (404, 422):
                raise


def watch(label, selector, members, leaving, storage_label, volume):
    room = telling(storage_label, volume)
    looks = [[room, 2], [lambda: serve(label, selector), 3], [lambda: leave(label, selector, members, leaving), 10]]
    due = [0] * len(looks)
    while True:
        for index, (look, period) in enumerate(looks):
            if time.monotonic() < due[index]:
                continue
            due[index] = time.monotonic() + period
            # Whatever fails here, such as an API server that is away or a replica that lags, is tried again.
            try:
                look()
            except (OSError, ValueError) as error:
                log(f'looking after Services: {error}')
        time.sleep(2)


def telling(label, volume):
    """Has the own pod's label say whether the volume is full, at each call."""
    said = None

    def tell():
        nonlocal said
        full = is_full(volume, said is True)
        if full == said:
            return
        labels = {'metadata': {'labels': {label: 'full' if full else None}}}
        pods('PATCH', f'/{os.environ["POD_NAME"]}', labels, MERGE_PATCH)
        if full or said is not None:
            log('the volume is full' if full else 'the volume has room again')
        said = full

    return tell


def is_full(volume, before):
    found = os.statvfs(volume)
    # A file system that does not count files says that it has none.
    return found.f_bavail * found.f_frsize < (ROOMY if before else FULL) or (found.f_files > 0 and found.f_favail == 0)


def serve(label, selector):
    own = itself()
    if not is_primary(own, label) or not is_given_up(own):
        return
    if any(is_ready(pod) for pod in listed(f'{selector},{label}=replica')):
        log('Kubernetes has taken this pod out of Services: a replica takes over')
        patroni('switchover', {'leader': os.environ['POD_NAME']})


def leave(label, selector, members, leaving):
    count = json.loads(read(members))['members']
    goes = ordinal(os.environ['POD_NAME']) >= count
    stay = [pod['metadata']['name'] for pod in listed(selector) if is_ready(pod)] if goes else []
    stay = [name for name in stay if ordinal(name) < count]
    if (stay != []) != os.path.exists(leaving):
        if stay:
            with open(leaving, 'w') as file:
                file.write('tags: {nosync: true}\n')
        else:
            os.remove(leaving)
        patroni('reload')
    if stay and is_primary(itself(), label):
        # Which of them may is Patroni's to say: one that lags, or is not synchronous yet, may not.
        candidate = stay[int(time.time()) // 10 % len(stay)]
        log(f'there are to be {count} members: {candidate} takes over from this one')
        patroni('switchover', {'leader': os.environ['POD_NAME'], 'candidate': candidate})


def itself():
    return pods('GET', f'/{os.environ["POD_NAME"]}')


def patroni(path, body=None):
    send('POST', f'http://127.0.0.1:8008/{path}', {'Content-Type': 'application/json'}, body or {})


def is_primary(pod, label):
    return pod['metadata'].get('labels', {}).get(label) == 'primary'


def is_ready(pod):
    return condition(pod, 'Ready') == 'True'


def ordinal(name):
    return int(name.rsplit('-', 1)[1])


def is_given_up(pod):
    return condition(pod, 'Ready') == 'False' and condition(pod, 'ContainersReady') == 'True'


def condition(pod, kind):
    return next((each['status'] for each in pod['status'].get('conditions', []) if each['type'] == kind), None)


def log(text):
    print(text, file=sys.stderr, flush=True)


if __name__ == '__main__':
    {'demote': demote, 'watch': watch}[sys.argv[1]](*sys.argv[2:])
