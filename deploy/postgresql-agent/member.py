"""Prepares a pod for Patroni: member [--may-initialize] CLUSTER DYNAMIC

Both are JSON files. CLUSTER says scope (Patroni's), labels (of its ConfigMaps) and owner (an ownerReference for them).
DYNAMIC is what shall hold of Patroni's dynamic configuration: nested objects are merged, null takes a key away.

1. Patroni's ConfigMaps exist and belong to the owner, so that they go with it: Patroni itself would make them ownerless.
2. Unless the pod may initialize the database, it is waited until another has.
3. The dynamic configuration is brought up to date. https://patroni.readthedocs.io/en/latest/dynamic_configuration.html

Prints the identifier of the database system; nothing if it is not initialized yet.
"""

import argparse
import json
import os
import ssl
import sys
import time
import urllib.error
import urllib.request

ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount'
# https://github.com/patroni/patroni/blob/v4.0.7/patroni/dcs/__init__.py: AbstractDCS
OBJECTS = ('config', 'leader', 'failover', 'sync')


class Api:
    """ConfigMaps of the pod's own namespace."""

    def __init__(self):
        with open(f'{ACCOUNT}/namespace') as file:
            namespace = file.read().strip()
        host = os.environ['KUBERNETES_SERVICE_HOST']
        host = f'[{host}]' if ':' in host else host
        self._url = f'https://{host}:{os.environ["KUBERNETES_SERVICE_PORT"]}/api/v1/namespaces/{namespace}/configmaps'
        self._tls = ssl.create_default_context(cafile=f'{ACCOUNT}/ca.crt')

    def get(self, name):
        """The ConfigMap; None if there is none."""
        try:
            return self._request('GET', f'/{name}')
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise

    def create(self, metadata):
        return self._request('POST', '', {'apiVersion': 'v1', 'kind': 'ConfigMap', 'metadata': metadata})

    def patch(self, name, metadata):
        return self._request('PATCH', f'/{name}', {'metadata': metadata})

    def _request(self, method, path, body=None):
        # Read each time: the kubelet renews it.
        with open(f'{ACCOUNT}/token') as file:
            headers = {'Authorization': f'Bearer {file.read().strip()}'}
        if body is not None:
            merge = 'merge-patch+' if method == 'PATCH' else ''
            headers['Content-Type'] = f'application/{merge}json'
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._url + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=5, context=self._tls) as response:
            return json.load(response)


def own(api, scope, labels, owner):
    for suffix in OBJECTS:
        name = f'{scope}-{suffix}'
        while True:
            found = api.get(name)
            if found is None:
                api.create({'name': name, 'labels': labels, 'ownerReferences': [owner]})
                break
            owners = found['metadata'].get('ownerReferences', [])
            if any(known['uid'] == owner['uid'] for known in owners):
                break
            if not owners:
                api.patch(name, {'ownerReferences': [owner], 'resourceVersion': found['metadata']['resourceVersion']})
                break
            # Of a database of the same name that was deleted. What it says is not true of this one.
            log(f'waiting until ConfigMap {name} of {owners[0]["kind"]} {owners[0]["uid"]} is collected')
            time.sleep(1)


def system(api, scope):
    """The identifier of the database system, and the ConfigMap that tells it."""
    found = api.get(f'{scope}-config')
    annotations = found['metadata'].get('annotations') or {} if found else {}
    return annotations.get('initialize', ''), found


def configure(api, found, wanted):
    text = found['metadata'].get('annotations', {}).get('config')
    # Patroni writes its own first, from the same wishes.
    if text is None:
        return
    merged = merge(json.loads(text), wanted)
    if merged == json.loads(text):
        return
    annotations = {'config': json.dumps(merged, separators=(',', ':'))}
    version = found['metadata']['resourceVersion']
    api.patch(found['metadata']['name'], {'annotations': annotations, 'resourceVersion': version})
    log('the dynamic configuration is changed')


def merge(old, new):
    """https://www.rfc-editor.org/rfc/rfc7386"""
    if not isinstance(new, dict):
        return new
    merged = dict(old) if isinstance(old, dict) else {}
    for key, value in new.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge(merged.get(key), value)
    return merged


def log(text):
    print(text, file=sys.stderr, flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--may-initialize', action='store_true')
    parser.add_argument('cluster', type=argparse.FileType())
    parser.add_argument('dynamic', type=argparse.FileType())
    arguments = parser.parse_args()
    cluster = json.load(arguments.cluster)
    dynamic = json.load(arguments.dynamic)
    scope = cluster['scope']
    waiting = False
    while True:
        # Whatever fails here, such as an API server that is away or another pod that was faster, is tried again.
        try:
            api = Api()
            own(api, scope, cluster['labels'], cluster['owner'])
            identifier, found = system(api, scope)
            if identifier:
                configure(api, found, dynamic)
            if identifier or arguments.may_initialize:
                print(identifier)
                return
            if not waiting:
                log('waiting until another member has initialized the database')
                waiting = True
        except (OSError, ValueError) as error:
            log(f'asking the API server: {error}')
        time.sleep(1)


if __name__ == '__main__':
    main()
