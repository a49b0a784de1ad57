"""Bidirectional control characters, which can make a terminal or a page show "gpj.exe" for
"exe.jpg" (Unicode Technical Report 36, 3.1)."""

# Code of each character -> the escape that is shown for it.
BIDIRECTIONAL = {
    code: f"\\u{code:04x}"
    for code in (0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
}
