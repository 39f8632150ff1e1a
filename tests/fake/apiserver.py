#!/usr/bin/env python3
"""A fake Kubernetes API server for integration and kill tests; standard library only.

As a module:

    with FakeApiServer() as api:
        crt, key = api.client_certificate("system:node:w1", ["system:nodes"])
        api.fault(path="/configmaps/", status=503, retry_after=1, times=2)
        ... api.url, api.ca_crt ...

As a program: `apiserver.py [--listen HOST:PORT] [--control HOST:PORT] [--pki DIR] ...` prints one
JSON line with its addresses when it is ready, and runs until SIGTERM. The control address answers
`POST /NAME` with a JSON object of arguments: the methods that carry @control below.

Faults are rules, tried in order; the first that matches is used up `times` times (-1 = for ever)
after letting `skip` requests pass. They match on method, path and query (regular expressions),
watch and user. What they do:

    status=503 [reason, message, retry_after]   that status instead of the answer
    drop="before" | "after"     hang up without an answer; "after" = having done what was asked
    hang=True                   take the request and stay silent
    delay=SECONDS               answer late
    truncate=BYTES              a complete reply with a body cut there: broken JSON
    cut=BYTES                   hang up in the middle of the body
    slow=BYTES_PER_SECOND
    kind="Pod" / name="x"       lie about what the object is
    body="..." [content_type]   anything
  for watches:
    half_open=True              headers, then nothing any more
    gone=True                   an ERROR event with code 410
    end_after=N / drop_after=N  end in order, or hang up, after N events
    line="..."                  that line first
"""

import argparse
import base64
import collections
import datetime
import json
import os
import re
import shutil
import signal
import ssl
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import fakecluster  # noqa: E402
import fakepki  # noqa: E402
import fakerbac  # noqa: E402
from fakecontrollers import Controllers  # noqa: E402
from fakefields import ApiError, parse_field_selector, parse_label_selector  # noqa: E402
from fakehttp import Hangup, HttpServer, Reply, Request  # noqa: E402, F401
from fakestore import RESOURCES, Store  # noqa: E402

CONTROLS = []


def control(method):
    CONTROLS.append(method.__name__)
    return method


class Tls:
    """A server's TLS that takes new files with the next connection, as the real one does."""

    def __init__(self, crt, key, authorities):
        self.crt = crt
        self.key = key
        self.authorities = authorities

    def wrap_socket(self, sock, **options):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.crt, self.key)
        for authority in filter(os.path.exists, self.authorities):
            context.load_verify_locations(authority)
        context.verify_mode = ssl.CERT_OPTIONAL
        return context.wrap_socket(sock, **options)


class Target:
    """What a path names."""

    def __init__(self, resource, namespace, name, subresource):
        self.resource = resource
        self.namespace = namespace
        self.name = name
        self.subresource = subresource


PATH = re.compile(r"/(?:api/(?P<core>v1)|apis/(?P<group>[^/]+/[^/]+))"
                  r"(?:/namespaces/(?P<ns>[^/]+)(?=/[^/]+))?"
                  r"/(?P<plural>[a-z]+)(?:/(?P<name>[^/]+))?(?:/(?P<sub>[a-z]+))?")


def parse_path(path):
    """The target of a path, or None."""
    match = PATH.fullmatch(path)
    if not match:
        return None
    version = match["core"] or match["group"]
    resource = RESOURCES.get((version, match["plural"]))
    if resource is None or (match["ns"] and not resource.namespaced):
        return None
    if match["sub"] and match["sub"] not in resource.subresources:
        return None
    return Target(resource, match["ns"] or "", match["name"], match["sub"] or "")


class FakeApiServer:
    """authorization: "rbac" (default) or "permissive": everybody who is known may do everything."""

    def __init__(self, host="127.0.0.1", port=0, pki=None, tls=True, authorization="rbac",
                 csr_mode="rbac", csr_delay=0.0, auto_ready=True, tokens=None):
        self.own_pki = None if pki else tempfile.mkdtemp(prefix="fake-apiserver-")
        self.pki = pki or self.own_pki
        self.ca_crt, self.ca_key = fakepki.make_ca(self.pki)
        context = None
        if tls:
            crt, key = fakepki.make_server_certificate(self.pki, [host] if host[0].isdigit()
                                                       else [])
            context = Tls(crt, key, [self.ca_crt, os.path.join(self.pki, "front-proxy-ca.crt")])
        self.store = Store()
        fakerbac.create_bootstrap_policy(self.store)
        self.controllers = Controllers(self.store, self.ca_crt, self.ca_key, csr_mode, csr_delay,
                                       auto_ready)
        self.authorization = authorization
        self.tokens = dict(tokens or {})  # bearer -> (user, groups)
        self.faults = []
        self.log = collections.deque(maxlen=20000)
        self.watching = collections.Counter()
        self.is_ready = True
        self.stopping = False
        self.http = HttpServer(self.handle, host, port, context)

    # Life.

    def start(self):
        self.stopping = False
        self.controllers.start()
        self.http.start()
        return self

    def stop(self):
        with self.store.changed:
            self.stopping = True
            self.store.changed.notify_all()
        self.http.stop()
        self.controllers.stop()
        if self.own_pki:
            shutil.rmtree(self.own_pki, ignore_errors=True)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    @property
    def url(self):
        host = f"[{self.http.host}]" if ":" in self.http.host else self.http.host
        return f"{'https' if self.http.tls else 'http'}://{host}:{self.http.port}"

    # What tests ask of it.

    def client_certificate(self, user, groups=(), days=365):
        """Paths of a client certificate and its key."""
        return fakepki.make_client_certificate(self.pki, user, groups, days=days)

    @control
    def fault(self, times=1, skip=0, **rule):
        with self.store.changed:
            self.faults.append({**rule, "times": times, "skip": skip})

    @control
    def clear_faults(self):
        with self.store.changed:
            self.faults.clear()
            self.store.changed.notify_all()

    @control
    def ready(self, value=True):
        """What /readyz answers."""
        self.is_ready = value

    @control
    def refuse(self):
        """Nobody listens any more, and all connections end."""
        self.http.stop()

    @control
    def accept(self):
        if self.http.listener is None:
            self.http.start()

    @control
    def drop_connections(self):
        self.http.drop_connections()

    @control
    def compact(self):
        """Watches from before now answer 410."""
        self.store.compact()

    @control
    def requests(self, method=None, path=None):
        """The log: method, path, query, user, and status, 0 while there is none (a watch)."""
        with self.store.changed:
            return [entry for entry in self.log
                    if (method is None or entry["method"] == method)
                    and (path is None or re.search(path, entry["path"]))]

    @control
    def clear_requests(self):
        with self.store.changed:
            self.log.clear()

    @control
    def watches(self):
        """Paths that are being watched, with how often."""
        with self.store.changed:
            return {path: n for path, n in self.watching.items() if n > 0}

    @control
    def put(self, obj, manager="kubectl-edit"):
        """Creates or replaces an object, as an administrator's edit; returns it."""
        resource = self.resource_of(obj["apiVersion"], obj["kind"])
        meta = obj["metadata"]
        namespace = meta.get("namespace", "default") if resource.namespaced else ""
        with self.store.changed:
            if self.store.table(resource).get((namespace, meta["name"])) is None:
                return self.store.create(resource, namespace, obj, manager)
            return self.store.replace(resource, namespace, meta["name"], obj, manager)

    @control
    def create(self, collection, obj, manager="kubectl-edit"):
        """A new object in a collection, as an administrator's; returns it."""
        target = parse_path(collection)
        return self.store.create(target.resource, target.namespace, obj, manager)

    @control
    def get(self, path):
        """The object at an API path, or None."""
        target = parse_path(path)
        with self.store.changed:
            return self.store.table(target.resource).get((target.namespace, target.name))

    @control
    def patch(self, path, patch, manager="kubectl-edit"):
        """A merge patch, as an administrator's edit; returns the object."""
        target = parse_path(path)
        return self.store.patch(target.resource, target.namespace, target.name,
                                "application/merge-patch+json", patch, manager, target.subresource)

    @control
    def delete(self, path):
        target = parse_path(path)
        return self.store.delete(target.resource, target.namespace, target.name)

    @control
    def add_node(self, name, **details):
        return self.controllers.add_node(name, **details)

    @control
    def add_mirror_pod(self, node, component, **details):
        return self.controllers.add_mirror_pod(node, component, **details)

    @control
    def make_cluster(self, token="abcdef.0123456789abcdef", server=None, signed=True):
        """What a worker finds when it joins: token, cluster-info, ConfigMaps, their RBAC."""
        fakecluster.make(self, token, server or self.url, signed)

    @control
    def sign_cluster_info(self):
        return self.controllers.sign_cluster_info()

    @control
    def set(self, csr_mode=None, csr_delay=None, auto_ready=None, authorization=None):
        """Changes how it behaves from now on."""
        if csr_mode is not None:
            self.controllers.csr_mode = csr_mode
        if csr_delay is not None:
            self.controllers.csr_delay = csr_delay
        if auto_ready is not None:
            self.controllers.auto_ready = auto_ready
        if authorization is not None:
            self.authorization = authorization

    @staticmethod
    def resource_of(version, kind):
        return next(r for r in RESOURCES.values()
                    if r.group_version == version and r.kind == kind)

    # One request.

    def handle(self, request):
        entry = {"method": request.method, "path": request.path, "query": request.query_text,
                 "user": "", "status": 0}
        with self.store.changed:
            self.log.append(entry)
        fault = None
        try:
            user, groups = self.authenticate(request)
            entry["user"] = user
            fault = self.take_fault(request, user)
            self.fault_before(fault)
            reply = self.answer(request, user, groups, fault)
        except ApiError as error:
            reply = self.failure(error)
        entry["status"] = reply.status if reply else 200
        return self.fault_after(fault, reply)

    @staticmethod
    def failure(error):
        reply = Reply(error.code, json.dumps(error.status))
        if error.retry_after is not None:
            reply.headers["Retry-After"] = str(error.retry_after)
        return reply

    def authenticate(self, request):
        peer = request.connection.peer
        if peer:
            names = [pair for part in peer["subject"] for pair in part]
            return (next((v for k, v in names if k == "commonName"), ""),
                    [v for k, v in names if k == "organizationName"] + ["system:authenticated"])
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return "system:anonymous", ["system:unauthenticated"]
        known = self.tokens.get(bearer) or self.bootstrap_identity(bearer)
        if known is None:
            raise ApiError(401, "Unauthorized", "Unauthorized")
        return known[0], list(known[1]) + ["system:authenticated"]

    def bootstrap_identity(self, bearer):
        token_id, _, secret_text = bearer.partition(".")
        secret = self.store.find("v1", "secrets", "kube-system", f"bootstrap-token-{token_id}")
        if secret is None or secret.get("type") != "bootstrap.kubernetes.io/token":
            return None
        token = {k: base64.b64decode(v).decode() for k, v in secret.get("data", {}).items()}
        if token.get("token-secret") != secret_text or token.get("token-id") != token_id or \
                token.get("usage-bootstrap-authentication") != "true":
            return None
        expiration = token.get("expiration")
        if expiration and datetime.datetime.fromisoformat(expiration.replace("Z", "+00:00")) < \
                datetime.datetime.now(datetime.timezone.utc):
            return None
        extra = [g for g in token.get("auth-extra-groups", "").split(",") if g]
        return f"system:bootstrap:{token_id}", ["system:bootstrappers", *extra]

    def authorize(self, user, groups, verb, target):
        plural = target.resource.plural
        if target.subresource:
            plural += "/" + target.subresource
        with self.store.changed:
            if self.authorization == "permissive":
                allowed = "system:authenticated" in groups or (
                    verb == "get" and target.namespace == "kube-public"
                    and target.name == "cluster-info")
            else:
                allowed = fakerbac.authorize(self.store, user, groups, verb,
                                             (target.resource.group, plural), target.namespace,
                                             target.name, target.selector)
        if not allowed:
            where = f' in the namespace "{target.namespace}"' if target.namespace \
                else " at the cluster scope"
            name = f' "{target.name}"' if target.name else ""
            raise ApiError(403, "Forbidden", f'{plural}{name} is forbidden: User "{user}" cannot '
                           f'{verb} resource "{plural}" in API group "{target.resource.group}"'
                           f'{where}', {"kind": plural})

    def answer(self, request, user, groups, fault):
        if request.path in ("/readyz", "/livez", "/healthz"):
            fine = self.is_ready or request.path == "/livez"
            return Reply(200 if fine else 500, "ok" if fine else "[-]etcd failed: not ready",
                         "text/plain; charset=utf-8")
        if request.path == "/version":
            return Reply(200, json.dumps({"major": "1", "minor": "36", "gitVersion": "v1.36.3"}))
        target = parse_path(request.path)
        if target is None:
            if "system:authenticated" not in groups:
                raise ApiError(403, "Forbidden", f'forbidden: User "{user}" cannot '
                               f'{request.method.lower()} path "{request.path}"')
            if request.path == "/api":
                return Reply(200, json.dumps({"kind": "APIVersions", "versions": ["v1"]}))
            if re.match("/api/v1/|/apis/[^/]+/", request.path):
                raise ApiError(404, "NotFound", "the server could not find the requested resource",
                               {})
            return Reply(404, "404 page not found\n", "text/plain; charset=utf-8")
        target.selector = dict(
            re.split("==?", term, maxsplit=1)
            for term in filter(None, request.query.get("fieldSelector", "").split(","))
            if re.match("[^!=]+=", term))
        watch = request.query.get("watch") in ("1", "true")
        verb = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}.get(
            request.method, "watch" if watch else "get" if target.name else "list")
        self.authorize(user, groups, verb, target)
        if verb == "watch":
            return self.watch(request, target, fault)
        return getattr(self, "do_" + verb)(request, target, user, groups)

    # Reading.

    def do_get(self, request, target, user, groups):
        return Reply(200, json.dumps(self.store.get(target.resource, target.namespace,
                                                    target.name)))

    @staticmethod
    def selection(request):
        by_field = parse_field_selector(request.query.get("fieldSelector", ""))
        by_label = parse_label_selector(request.query.get("labelSelector", ""))
        return lambda obj: by_field(obj) and by_label(obj)

    def do_list(self, request, target, user, groups):
        items, version = self.store.list(target.resource, target.namespace,
                                         self.selection(request))
        meta = {"resourceVersion": str(version)}
        start = 0
        if "continue" in request.query:
            token = json.loads(base64.b64decode(request.query["continue"]))
            if token["version"] < self.store.oldest:
                raise ApiError(410, "Expired", "The provided continue parameter is too old to "
                               "display a consistent list result.")
            start, meta["resourceVersion"] = token["start"], str(token["version"])
        limit = int(request.query.get("limit", 0) or 0)
        if limit and start + limit < len(items):
            token = {"start": start + limit, "version": int(meta["resourceVersion"])}
            meta["continue"] = base64.b64encode(json.dumps(token).encode()).decode()
            meta["remainingItemCount"] = len(items) - start - limit
        page = items[start:start + limit] if limit else items[start:]
        # As with the real one, items do not say what they are.
        page = [{k: v for k, v in item.items() if k not in ("kind", "apiVersion")}
                for item in page]
        return Reply(200, json.dumps({
            "kind": target.resource.kind + "List", "apiVersion": target.resource.group_version,
            "metadata": meta, "items": page,
        }))

    # Writing.

    @staticmethod
    def body(request):
        try:
            return json.loads(request.body)
        except ValueError as error:
            raise ApiError(400, "BadRequest", f"the body is not JSON: {error}") from error

    def manager(self, request):
        return request.query.get("fieldManager") or \
            request.headers.get("user-agent", "unknown").split("/")[0]

    def do_create(self, request, target, user, groups):
        obj = self.body(request)
        if target.subresource == "eviction":
            self.store.delete(target.resource, target.namespace, target.name)
            return Reply(201, json.dumps({"kind": "Status", "apiVersion": "v1", "metadata": {},
                                          "status": "Success", "code": 201}))
        if target.name:
            raise ApiError(405, "MethodNotAllowed", "POST to an object")
        if target.resource.kind == "CertificateSigningRequest" and isinstance(obj, dict):
            obj["spec"] = {**obj.get("spec", {}), "username": user, "groups": groups}
            obj.pop("status", None)
        if target.resource.kind == "Node" and isinstance(obj, dict):
            taints = (obj.get("spec") or {}).get("taints") or []
            obj["spec"] = {**(obj.get("spec") or {}), "taints": taints + [
                {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}]}
        return Reply(201, json.dumps(self.store.create(
            target.resource, target.namespace, obj, self.manager(request))))

    def do_update(self, request, target, user, groups):
        if target.subresource == "approval":
            with self.store.changed:
                live = self.store.get(target.resource, "", target.name)
                signer = Target(RESOURCES["certificates.k8s.io/v1", "certificatesigningrequests"],
                                "", live["spec"]["signerName"], "")
                signer.selector = {}
                if self.authorization == "rbac" and not fakerbac.authorize(
                        self.store, user, groups, "approve", ("certificates.k8s.io", "signers"),
                        "", signer.name, {}):
                    raise ApiError(403, "Forbidden", f"user not permitted to approve requests with "
                                   f"signerName {signer.name!r}")
        return Reply(200, json.dumps(self.store.replace(
            target.resource, target.namespace, target.name, self.body(request),
            self.manager(request), target.subresource)))

    def do_patch(self, request, target, user, groups):
        kind = request.headers.get("content-type", "").split(";")[0].strip()
        patch = self.body(request)
        if kind != "application/apply-patch+yaml":
            return Reply(200, json.dumps(self.store.patch(
                target.resource, target.namespace, target.name, kind, patch,
                self.manager(request), target.subresource)))
        if not request.query.get("fieldManager"):
            raise ApiError(422, "Invalid", "PatchOptions.meta.k8s.io \"\" is invalid: "
                           "fieldManager: Required value: is required for apply patch")
        exists = self.store.find(target.resource.group_version, target.resource.plural,
                                 target.namespace, target.name)
        if exists is None:
            self.authorize(user, groups, "create", target)
        obj, created = self.store.apply(
            target.resource, target.namespace, target.name, patch,
            request.query["fieldManager"], request.query.get("force") == "true")
        return Reply(201 if created else 200, json.dumps(obj))

    def do_delete(self, request, target, user, groups):
        options = self.body(request) if request.body else {}
        last = self.store.delete(target.resource, target.namespace, target.name,
                                 options.get("preconditions"))
        return Reply(200, json.dumps({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
            "details": {"name": target.name, "kind": target.resource.plural,
                        "uid": last["metadata"]["uid"]},
        }))

    # Watching.

    def watch(self, request, target, fault):
        """Streams changes until the client goes, the time is over, or a fault says so."""
        fault = fault or {}
        selects = self.selection(request)
        connection = request.connection
        version = request.query.get("resourceVersion", "")
        deadline = time.monotonic() + float(request.query.get("timeoutSeconds", 1800))
        with self.store.changed:
            items, current = self.store.list(target.resource, target.namespace, selects)
            since = int(version) if version not in ("", "0") else current
            if self.store.changes(target.resource, since) is None:
                raise ApiError(410, "Expired", f"The resourceVersion for the provided watch is too "
                               f"old: {version}")
            self.watching[request.path] += 1
        key = (lambda obj: (obj["metadata"].get("namespace"), obj["metadata"]["name"]))
        seen = {key(obj) for obj in items}
        stream = Stream(connection, fault)
        try:
            stream.start()
            if version in ("", "0"):
                for obj in items:
                    stream.event("ADDED", obj)
            while not self.stopping and time.monotonic() < deadline:
                with self.store.changed:
                    changes = self.store.changes(target.resource, since)
                    if not changes:
                        self.store.changed.wait(min(0.5, max(0, deadline - time.monotonic())))
                        changes = self.store.changes(target.resource, since)
                    if changes:
                        since = changes[-1][0]
                if changes is None:
                    stream.gone()
                    break
                if not changes and connection.gone():
                    raise Hangup
                for _, _, change, obj in changes:
                    if target.namespace and obj["metadata"].get("namespace") != target.namespace:
                        continue
                    self.send_change(stream, change, obj, selects(obj), seen, key(obj))
            stream.end()
        except StreamOver:
            pass
        finally:
            with self.store.changed:
                self.watching[request.path] -= 1
        return None

    @staticmethod
    def send_change(stream, change, obj, selected, seen, key):
        if selected and change != "DELETED":
            stream.event("MODIFIED" if key in seen else "ADDED", obj)
            seen.add(key)
        elif key in seen:
            stream.event("DELETED", obj)
            seen.discard(key)

    # Faults.

    def take_fault(self, request, user):
        watch = request.query.get("watch") in ("1", "true")
        with self.store.changed:
            for rule in self.faults:
                if not (re.fullmatch(rule.get("method", ".*"), request.method)
                        and re.search(rule.get("path", ""), request.path)
                        and re.search(rule.get("query", ""), request.query_text)
                        and rule.get("user", user) == user
                        and rule.get("watch", watch) == watch):
                    continue
                if rule["skip"] > 0:
                    rule["skip"] -= 1
                    continue
                if rule["times"] == 0:
                    continue
                rule["times"] -= 1 if rule["times"] > 0 else 0
                return rule
        return None

    def fault_before(self, fault):
        if not fault:
            return
        if fault.get("drop") == "before":
            raise Hangup
        if fault.get("delay"):
            time.sleep(fault["delay"])
        if fault.get("hang"):
            with self.store.changed:
                while not self.stopping and fault in self.faults:
                    self.store.changed.wait(0.5)
            raise Hangup
        if "status" in fault:
            raise ApiError(fault["status"], fault.get("reason", ""),
                           fault.get("message", "the test says so"),
                           retry_after=fault.get("retry_after"))

    @staticmethod
    def fault_after(fault, reply):
        if not fault or reply is None:
            return reply
        if fault.get("drop") == "after":
            raise Hangup
        if "body" in fault:
            reply = Reply(200, fault["body"], fault.get("content_type", "application/json"))
        if "kind" in fault or "name" in fault:
            obj = json.loads(reply.body)
            obj["kind"] = fault.get("kind", obj["kind"])
            if "name" in fault:
                obj["metadata"]["name"] = fault["name"]
            reply.body = json.dumps(obj).encode()
        if "truncate" in fault:
            reply.body = reply.body[:fault["truncate"]]
        if "cut" in fault:
            reply.declared_length = len(reply.body)
            reply.body = reply.body[:fault["cut"]]
            reply.hang_up = True
        reply.slow = fault.get("slow", 0)
        return reply

    # The control address.

    def control(self, request):
        name = request.path.strip("/")
        if name not in CONTROLS:
            return Reply(404, json.dumps({"error": f"no control {name!r}", "have": CONTROLS}))
        try:
            result = getattr(self, name)(**json.loads(request.body or b"{}"))
        except ApiError as error:
            return self.failure(error)
        except (TypeError, ValueError, KeyError, StopIteration) as error:
            return Reply(400, json.dumps({"error": f"{type(error).__name__}: {error}"}))
        return Reply(200, json.dumps(result))


class StreamOver(Exception):
    """A fault has ended a watch in order."""


class Stream:
    """The body of a watch, with its faults."""

    def __init__(self, connection, fault):
        self.connection = connection
        self.fault = fault
        self.count = 0

    def start(self):
        self.connection.start_stream()
        if "line" in self.fault:
            self.connection.send_chunk(self.fault["line"].encode() + b"\n")
        if self.fault.get("gone"):
            self.gone()
            self.end()
            raise StreamOver
        self.check()

    def event(self, change, obj):
        if self.fault.get("half_open"):
            return
        line = json.dumps({"type": change, "object": obj}).encode() + b"\n"
        if self.fault.get("truncate"):
            line = line[:self.fault["truncate"]] + b"\n"
        self.connection.send_chunk(line)
        self.count += 1
        self.check()

    def check(self):
        if self.count == self.fault.get("drop_after"):
            raise Hangup
        if self.count == self.fault.get("end_after"):
            self.end()
            raise StreamOver

    def gone(self):
        error = ApiError(410, "Expired", "too old resource version")
        self.connection.send_chunk(json.dumps(
            {"type": "ERROR", "object": error.status}).encode() + b"\n")

    def end(self):
        self.connection.end_stream()


def split_address(text):
    host, _, port = text.rpartition(":")
    return host.strip("[]") or "127.0.0.1", int(port)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--listen", default="127.0.0.1:0")
    parser.add_argument("--control", default="127.0.0.1:0", help="plain HTTP, for tests")
    parser.add_argument("--pki", help="directory with ca.crt, ca.key and apiserver.crt, .key; what "
                        "is missing is made there")
    parser.add_argument("--plain", action="store_true", help="no TLS")
    parser.add_argument("--authorization", default="rbac", choices=("rbac", "permissive"))
    parser.add_argument("--csr-mode", default="rbac", choices=("rbac", "always", "never", "deny"))
    parser.add_argument("--csr-delay", type=float, default=0.0)
    parser.add_argument("--no-auto-ready", action="store_true")
    args = parser.parse_args()
    host, port = split_address(args.listen)
    api = FakeApiServer(host, port, args.pki, not args.plain, args.authorization, args.csr_mode,
                        args.csr_delay, not args.no_auto_ready)
    over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: over.set())
    with api:
        controls = HttpServer(api.control, *split_address(args.control))
        controls.start()
        print(json.dumps({"server": api.url, "ca": api.ca_crt, "pki": api.pki,
                          "control": f"http://{controls.host}:{controls.port}"}), flush=True)
        over.wait()
        controls.stop()


if __name__ == "__main__":
    main()
