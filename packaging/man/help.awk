# Fills in a manual page from what `portolan --help` says, so that the two say the same.
#
#   awk -f help.awk HELP PAGE.in >PAGE
#
# A line of PAGE that is @COMMANDS@, @OPTIONS@, @NOTES@ or @CODES@ becomes that part of HELP, in which
# an entry is two blanks, what it is about, and what is said of it from a certain column on.

# Text that mdoc takes as it stands.
function plain(text) {
    gsub(/\\/, "\\e", text)
    gsub(/--/, "\\-\\-", text)
    gsub(/  +/, " ", text)
    sub(/^ /, "", text)
    sub(/ $/, "", text)
    if (text ~ /^[.']/)
        text = "\\&" text
    return text
}

# The same in lines of a page: a sentence begins one, and none is longer than a terminal's.
function lines(text,    words, word, line, all, k) {
    words = split(plain(text), word, " ")
    line = word[1]
    for (k = 2; k <= words; k++) {
        if (length(line) + length(word[k]) > 76 || word[k - 1] ~ /[.]$/) {
            all = all line "\n"
            line = (word[k] ~ /^[.']/ ? "\\&" : "") word[k]
        } else {
            line = line " " word[k]
        }
    }
    return words > 0 ? all line "\n" : ""
}

# One entry of a list, with all that is said of it.
function finish() {
    if (item != "")
        part[where] = part[where] item "\n" lines(said usual)
    item = said = usual = ""
}

# "--node ID" as .Fl and .Ar
function option(words,    count, word, line, i) {
    count = split(words, word, " ")
    line = ".It Fl \\-" substr(word[1], 3)
    for (i = 2; i <= count; i++)
        line = line " Ar " word[i]
    return line
}

function heading(text) {
    finish()
    if (is_listed)
        part[where] = part[where] ".El\n"
    is_listed = 0
    if (text != "")
        part[where] = part[where] ".Ss " plain(text) "\n.Bl -tag -width Ds\n"
    is_listed = text != ""
}

BEGIN { where = "COMMANDS" }

FNR != NR { # the page
    if (!is_read) {
        finish()
        is_read = 1
    }
    if ($0 ~ /^@[A-Z]+@$/)
        printf "%s", part[substr($0, 2, length($0) - 2)]
    else
        print
    next
}

where == "COMMANDS" && /^  portolan / {
    finish()
    words = substr($0, 3)
    said = ""
    if (length($0) > 41 && substr($0, 40, 2) == "  ") {
        words = substr($0, 3, 38)
        said = substr($0, 42)
    }
    item = ".It Ic " plain(words)
    next
}
where == "COMMANDS" && /^                                         / { said = said " " $0; next }
where == "COMMANDS" && /^                 / { item = item " " plain($0); next }
where == "COMMANDS" && /^[a-z]/ && $0 !~ /portolan -/ { finish(); where = "OPTIONS"; heading($0); next }
where == "COMMANDS" { next }

where == "OPTIONS" && /^$/ { heading(""); where = "NOTES"; next }
where == "OPTIONS" && /^[^ ]/ { heading($0); next }
where == "OPTIONS" && /^  --/ {
    finish()
    item = option(substr($0, 3, 21))
    said = substr($0, 24)
    if (match(said, /  +\[[^]]*\]$/)) { # the default stands behind all that is said
        usual = substr(said, RSTART)
        said = substr(said, 1, RSTART - 1)
    }
    next
}

/^exit codes$/ { finish(); where = "CODES"; next }
where == "CODES" && /^  [0-9]/ {
    finish()
    split(substr($0, 3), half, "  ")
    item = ".It " half[1]
    said = substr($0, length(half[1]) + 5)
    next
}
/^$/ { finish(); if (where == "CODES") where = "NOTES"; next }
where == "NOTES" && /^[^ ]/ { finish(); item = ".It " plain(substr($0, 1, 10)); said = substr($0, 11); next }
{ said = said " " $0 }
