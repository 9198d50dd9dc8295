"""Has Services follow the new primary at once: demote ROLE_LABEL SELECTOR ACTION ROLE SCOPE

Patroni calls it when the role of its member changes, and gives the last three:
https://patroni.readthedocs.io/en/latest/yaml_configuration.html#postgresql (callbacks).

A member writes its role on its own pod. One that was the primary and is frozen, or on a node that nobody hears from, does
not, and would go on being a primary for Services until Kubernetes finds out that it is not ready: up to a minute, in which
half of the connections lead there. So the new primary makes replicas of the others; who is alive agrees.
"""

import json
import os
import ssl
import sys
import urllib.error
import urllib.parse
import urllib.request

ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount'


def read(name):
    with open(f'{ACCOUNT}/{name}') as file:
        return file.read().strip()


def request(method, path, body=None):
    host = os.environ['KUBERNETES_SERVICE_HOST']
    host = f'[{host}]' if ':' in host else host
    url = f'https://{host}:{os.environ["KUBERNETES_SERVICE_PORT"]}/api/v1/namespaces/{read("namespace")}/pods{path}'
    headers = {'Authorization': f'Bearer {read("token")}', 'Content-Type': 'application/json-patch+json'}
    data = None if body is None else json.dumps(body).encode()
    tls = ssl.create_default_context(cafile=f'{ACCOUNT}/ca.crt')
    with urllib.request.urlopen(
        urllib.request.Request(url, data, headers, method=method), timeout=5, context=tls
    ) as response:
        return json.load(response)


def main():
    label, selector, _action, role, _scope = sys.argv[1:]
    if role not in ('primary', 'promoted', 'master'):
        return
    query = urllib.parse.urlencode({'labelSelector': f'{selector},{label}=primary'})
    path = f'/metadata/labels/{label.replace("/", "~1")}'
    for pod in request('GET', f'?{query}')['items']:
        name = pod['metadata']['name']
        if name == os.environ['POD_NAME']:
            continue
        try:
            request(
                'PATCH',
                f'/{name}',
                [{'op': 'test', 'path': path, 'value': 'primary'}, {'op': 'replace', 'path': path, 'value': 'replica'}],
            )
            print(f'{name} does not lead Services any more', file=sys.stderr, flush=True)
        except urllib.error.HTTPError as error:
            # It is gone, or has said so itself.
            if error.code not in (404, 422):
                raise


if __name__ == '__main__':
    main()
