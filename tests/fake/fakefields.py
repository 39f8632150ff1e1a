"""Fields of objects for the fake API server: paths, patches, ownership in wire form, selectors.

Only the standard library; used by fakestore.py.
"""

import copy
import json
import re


class ApiError(Exception):
    """A refusal, as the Status object that the server answers with."""

    def __init__(self, code, reason, message, details=None, retry_after=None):
        super().__init__(message)
        self.code = code
        self.retry_after = retry_after
        self.status = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": message,
            "reason": reason,
            "code": code,
        }
        if details:
            self.status["details"] = details


# Lists whose items have a name of their own; all other lists are replaced as a whole.
LIST_KEYS = {
    "containers": ("name",),
    "initContainers": ("name",),
    "volumes": ("name",),
    "env": ("name",),
    "volumeMounts": ("mountPath",),
    "imagePullSecrets": ("name",),
    "ports": ("containerPort", "protocol"),
    "conditions": ("type",),
    "ownerReferences": ("uid",),
}


def list_key(field, item):
    """The identity of a list's item, or None where the list is atomic."""
    keys = LIST_KEYS.get(field)
    if not keys or not isinstance(item, dict):
        return None
    if field == "ports" and "containerPort" not in item:
        keys = ("port", "protocol")
    identity = {key: item.get(key, "TCP" if key == "protocol" else None) for key in keys}
    if any(value is None for value in identity.values()):
        return None
    return "k:" + json.dumps(identity, sort_keys=True, separators=(",", ":"))


def is_keyed(field, items):
    return bool(items) and all(list_key(field, item) is not None for item in items)


# -- paths and leaves ------------------------------------------------------------------------------

def leaves(value, path=()):
    """All leaf paths of a value with what stands there; items of named lists by their key."""
    if isinstance(value, dict) and value:
        for key, child in value.items():
            yield from leaves(child, path + ("f:" + key,))
    elif isinstance(value, list) and path and is_keyed(path[-1][2:], value):
        for item in value:
            yield from leaves(item, path + (list_key(path[-1][2:], item),))
    else:
        yield path, value


def lookup(value, path):
    """What stands at a leaf path; KeyError if nothing does."""
    field = ""
    for element in path:
        if element.startswith("f:"):
            if not isinstance(value, dict):
                raise KeyError(element)
            field = element[2:]
            value = value[field]
        else:
            value = next(
                (i for i in value or [] if list_key(field, i) == element), None
            ) if isinstance(value, list) else None
            if value is None:
                raise KeyError(element)
    return value


def has(value, path):
    try:
        lookup(value, path)
        return True
    except KeyError:
        return False


def store_at(value, path, leaf):
    """Puts a leaf at a path, making maps and named items on the way."""
    for index, element in enumerate(path):
        last = index + 1 == len(path)
        if element.startswith("f:"):
            field = element[2:]
            if last:
                value[field] = copy.deepcopy(leaf)
                return
            if path[index + 1].startswith("k:"):
                if not isinstance(value.get(field), list):
                    value[field] = []
            elif not isinstance(value.get(field), dict):
                value[field] = {}
            value = value[field]
        else:
            field = path[index - 1][2:]
            item = next((i for i in value if list_key(field, i) == element), None)
            if item is None:
                item = json.loads(element[2:])
                value.append(item)
            if last:
                item.update(copy.deepcopy(leaf) if isinstance(leaf, dict) else {})
                return
            value = item


def remove_at(value, path):
    """Takes a leaf away, and the maps, lists and named items that are empty without it."""
    element, rest = path[0], path[1:]
    if element.startswith("f:"):
        field = element[2:]
        if not isinstance(value, dict) or field not in value:
            return
        if not rest:
            del value[field]
            return
        child = value[field]
        if rest[0].startswith("k:"):
            item = next((i for i in child if list_key(field, i) == rest[0]), None)
            if item is None:
                return
            if len(rest) > 1:
                remove_at(item, rest[1:])
            if len(rest) == 1 or all(key in json.loads(rest[0][2:]) for key in item):
                child.remove(item)
        else:
            remove_at(child, rest)
        if child in ({}, []):
            del value[field]


def fields_v1(paths):
    """The wire form of a set of paths."""
    tree = {}
    for path in paths:
        node = tree
        for element in path:
            node = node.setdefault(element, {})
    return tree


def paths_of_fields_v1(tree, path=()):
    if not tree:
        yield path
    for element, child in tree.items():
        yield from paths_of_fields_v1(child, path + (element,))


UNOWNED = {
    ("f:apiVersion",), ("f:kind",), ("f:metadata",), ("f:metadata", "f:name"),
    ("f:metadata", "f:namespace"), ("f:metadata", "f:uid"), ("f:metadata", "f:resourceVersion"),
    ("f:metadata", "f:generation"), ("f:metadata", "f:creationTimestamp"),
}


def owned_leaves(value):
    shown = dict(value)
    shown["metadata"] = {k: v for k, v in value.get("metadata", {}).items() if k != "managedFields"}
    return {path: leaf for path, leaf in leaves(shown) if path not in UNOWNED}


# -- patches ---------------------------------------------------------------------------------------

def merge_patch(target, patch):
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    result = copy.deepcopy(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge_patch(result.get(key), value)
    return result


def strategic_merge(target, patch, field=""):
    """As a merge patch, with named lists merged by name."""
    if isinstance(patch, list) and isinstance(target, list) and is_keyed(field, patch):
        result = copy.deepcopy(target)
        for item in patch:
            key = list_key(field, item)
            at = next((i for i, old in enumerate(result) if list_key(field, old) == key), None)
            if at is None:
                result.append(copy.deepcopy(item))
            else:
                result[at] = strategic_merge(result[at], item)
        return result
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    result = copy.deepcopy(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if key.startswith("$"):
            continue
        if value is None:
            result.pop(key, None)
        else:
            result[key] = strategic_merge(result.get(key), value, key)
    return result


def unprocessable(message):
    return ApiError(422, "Invalid", message)


def json_patch(document, operations):
    document = copy.deepcopy(document)
    if not isinstance(operations, list):
        raise ApiError(400, "BadRequest", "a JSON patch is a list")
    for step in operations:
        document = json_patch_step(document, step)
    return document


def json_patch_step(document, step):
    what, pointer = step.get("op"), step.get("path", "")
    elements = [e.replace("~1", "/").replace("~0", "~") for e in pointer.split("/")[1:]]
    parent = document
    try:
        for element in elements[:-1]:
            parent = parent[int(element)] if isinstance(parent, list) else parent[element]
        last = elements[-1] if elements else ""
        if isinstance(parent, list) and last != "-":
            last = int(last)
        if what == "test":
            found = parent[last] if isinstance(parent, list) else parent.get(last)
            if found != step.get("value"):
                raise unprocessable("the server rejected our request due to an error in our request")
        elif what in ("add", "replace"):
            if what == "replace":
                parent[last]  # noqa: B018: replacing what is not there is an error
            if not isinstance(parent, list):
                parent[last] = copy.deepcopy(step["value"])
            elif last == "-":
                parent.append(copy.deepcopy(step["value"]))
            elif what == "add":
                parent.insert(last, copy.deepcopy(step["value"]))
            else:
                parent[last] = copy.deepcopy(step["value"])
        elif what == "remove":
            del parent[last]
        else:
            raise ApiError(400, "BadRequest", f"unknown operation {what}")
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise unprocessable("the server rejected our request due to an error in our request") \
            from error
    return document


# -- selectors -------------------------------------------------------------------------------------

def field_text(obj, path):
    value = obj
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    if value is None:
        return ""
    return {True: "true", False: "false"}.get(value, str(value)) if isinstance(value, bool) \
        else str(value)


def parse_field_selector(text):
    terms = []
    for term in filter(None, text.split(",")):
        match = re.fullmatch(r"([^=!]+)(!=|==?)(.*)", term)
        if not match:
            raise ApiError(400, "BadRequest", f"invalid selector: {term!r}")
        terms.append((match[1], match[2] == "!=", match[3]))
    return lambda obj: all((field_text(obj, f) == v) != negate for f, negate, v in terms)


def parse_label_selector(text):
    terms = []
    for term in re.split(r",(?![^(]*\))", text):
        term = term.strip()
        if not term:
            continue
        match = re.fullmatch(r"(\S+)\s+(in|notin)\s+\(([^)]*)\)", term)
        if match:
            values = {v.strip() for v in match[3].split(",")}
            terms.append((match[1], match[2], values))
        elif "=" in term:
            key, operator, value = re.fullmatch(r"([^=!]+)(!=|==?)(.*)", term).groups()
            terms.append((key.strip(), "notin" if operator == "!=" else "in", {value.strip()}))
        elif term.startswith("!"):
            terms.append((term[1:], "absent", None))
        else:
            terms.append((term, "exists", None))

    def selects(obj):
        labels = obj.get("metadata", {}).get("labels") or {}
        for key, operator, values in terms:
            if operator == "exists" and key not in labels:
                return False
            if operator == "absent" and key in labels:
                return False
            if operator == "in" and labels.get(key) not in values:
                return False
            if operator == "notin" and labels.get(key) in values:
                return False
        return True

    return selects
