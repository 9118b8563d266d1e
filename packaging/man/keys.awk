# Fills in portolan.conf(5): the line @KEYS@ becomes the table of docs/configuration.md as a list.
#
#   awk -f keys.awk configuration.md portolan.conf.5.in >portolan.conf.5

# A cell as a sentence, its first letter large where `first` says nothing else, in lines of a page.
function sentence(first, text,    count, word, line, all, i) {
    gsub(/`/, "", text)
    gsub(/\\/, "\\e", text)
    gsub(/^ +| +$/, "", text)
    if (first == "")
        text = toupper(substr(text, 1, 1)) substr(text, 2)
    count = split(first text ".", word, " ")
    line = word[1]
    for (i = 2; i <= count; i++) {
        if (length(line) + length(word[i]) > 76 || word[i - 1] ~ /[.]$/) {
            all = all line "\n"
            line = (word[i] ~ /^[.']/ ? "\\&" : "") word[i]
        } else {
            line = line " " word[i]
        }
    }
    return all line "\n"
}

FNR != NR {
    if ($0 == "@KEYS@")
        printf "%s", keys
    else
        print
    next
}

/^\| `[a-z0-9-]+` \|/ {
    split($0, cell, "|")
    gsub(/[` ]/, "", cell[2])
    keys = keys ".It Ic " cell[2] "\n" sentence("", cell[5]) ".br\n" sentence("Takes: ", cell[3]) \
        ".br\n" sentence("Default: ", cell[4])
}
