"""Just enough reading of C++: text without comments and literals, functions, statements."""
import re

TOKEN = re.compile(
    r'//[^\n]*'
    r'|/\*.*?\*/'
    r'|R"(?P<tag>[^()\\\s]{0,16})\(.*?\)(?P=tag)"'
    r'|"(?:\\.|[^"\\\n])*"'
    r"|(?<![0-9A-Fa-f])'(?:\\.|[^'\\\n])+'",
    re.DOTALL)
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(["<])([^">]+)[">]', re.MULTILINE)
# The start of a constructor's initialisers up to a braced one: `A::A(int b) : b_(b), c_{`.
BRACED_INIT = re.compile(r"\)\s*(?:noexcept\s*)?:(?!:)[^;]*[\w>]\s*$")
SCOPE = re.compile(r"\b(?:namespace|class|struct|union|enum|extern)\b")


def _blank(text):
    return re.sub(r"[^\n]", " ", text)


def without_comments(text):
    """Comments become spaces, so that lines and columns stay; literals stay."""
    return TOKEN.sub(lambda m: _blank(m[0]) if m[0].startswith("/") else m[0], text)


def code_only(text):
    """Comments and the insides of literals become spaces."""
    def blank(match):
        token = match[0]
        if token.startswith("/"):
            return _blank(token)
        if token.startswith("R"):
            return '"' + _blank(token[1:-1]) + '"'
        return token[0] + _blank(token[1:-1]) + token[-1]
    return TOKEN.sub(blank, text)


def raw_string_lines(text):
    """The numbers of the lines inside raw string literals: data, not code."""
    lines = set()
    for match in TOKEN.finditer(text):
        if match[0].startswith("R"):
            first = text.count("\n", 0, match.start()) + 1
            lines.update(range(first + 1, first + match[0].count("\n") + 1))
    return lines


def includes(text):
    """[(line, quote, name)] of all includes outside comments."""
    clean = without_comments(text)
    return [(clean.count("\n", 0, m.start()) + 1, m[1], m[2]) for m in INCLUDE.finditer(clean)]


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def _kind(header, enclosing):
    """What a `{` opens: scope, function, init or other; header is the text since ; { or }."""
    if enclosing != "scope":
        return "other"
    if BRACED_INIT.search(header):
        return "init"
    plain = re.sub(r"\boperator\s*[^\s\w(]+", "operator_", header)
    depth, top = 0, []
    for char in plain:
        depth += {"(": 1, ")": -1}.get(char, 0)
        if depth == 0:
            top.append(char)
    top = "".join(top)
    if "(" in plain and not re.search(r"(?<![=!<>])=(?!=)", top):
        return "function"
    return "scope" if SCOPE.search(plain) and "=" not in top else "other"


def functions(text):
    """[(first line, last line)] of the outermost function bodies, signature included."""
    code = re.sub(r"^[ \t]*#(?:[^\n\\]|\\[\s\S])*", lambda m: _blank(m[0]), code_only(text),
                  flags=re.MULTILINE)
    found, stack, start = [], [], 0
    for match in re.finditer(r"[;{}]", code):
        kind = None
        if match[0] == "{":
            header = code[start:match.start()]
            enclosing = stack[-1][0] if stack else "scope"
            begin = start + len(header) - len(header.lstrip())
            stack.append((_kind(header, enclosing), begin))
        elif match[0] == "}" and stack:
            kind, begin = stack.pop()
            if kind == "function":
                found.append((line_of(code, begin), line_of(code, match.start())))
        # A braced initialiser belongs to the header of the function that follows it.
        if kind != "init" and not (stack and stack[-1][0] == "init"):
            start = match.end()
    return found


def statements(text):
    """[(line, statement with literals, the same without their insides)], cut at ; { and }."""
    clean, code = without_comments(text), code_only(text)
    result, start = [], 0
    for match in re.finditer(r"[;{}]", code):
        piece = clean[start:match.start()]
        if piece.strip():
            begin = start + len(piece) - len(piece.lstrip())
            result.append((line_of(code, begin), piece, code[start:match.start()]))
        start = match.end()
    return result


def literals(piece):
    """The string literals of a statement, without quotes; adjacent ones are joined."""
    found, last_end = [], None
    for match in TOKEN.finditer(piece):
        token = match[0]
        if token.startswith(("/", "'")):
            continue
        body = token[2 + len(match["tag"]) + 1:-2 - len(match["tag"])] \
            if token.startswith("R") else token[1:-1]
        if last_end is not None and not piece[last_end:match.start()].strip():
            found[-1] += body
        else:
            found.append(body)
        last_end = match.end()
    return found
