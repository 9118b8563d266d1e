# The page at "/" as C: the files of this folder in one, its bytes in an array, and the policy that
# lets a browser run these very scripts and styles, by their digests, and nothing else.
#
#   cmake -D FOLDER=FOLDER -D OUTPUT=FILE -P page.cmake
cmake_minimum_required(VERSION 3.22)

# Scripts, in the order in which they are one: each uses what stands before it.
set(SCRIPTS words.js state.js alarms.js picture.js plots.js tables.js database.js stream.js page.js)

# What HEX stands for, in base64.
function(to_base64 hex result)
    set(digits ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/)
    string(LENGTH "${hex}" size)
    set(text)
    foreach(at RANGE 0 ${size} 6)
        string(SUBSTRING "${hex}" ${at} 6 three)
        string(LENGTH "${three}" have)
        if(have EQUAL 0)
            break()
        endif()
        string(SUBSTRING "${three}000000" 0 6 three)
        math(EXPR bits "0x${three}")
        math(EXPR letters "${have} / 2 + 1")
        foreach(shift 18 12 6 0)
            math(EXPR digit "(${bits} >> ${shift}) & 63")
            string(SUBSTRING ${digits} ${digit} 1 letter)
            if(letters EQUAL 0)
                set(letter =)
            else()
                math(EXPR letters "${letters} - 1")
            endif()
            string(APPEND text "${letter}")
        endforeach()
    endforeach()
    set(${result} "${text}" PARENT_SCOPE)
endfunction()

function(digest text result)
    string(SHA256 hex "${text}")
    to_base64(${hex} base64)
    set(${result} "'sha256-${base64}'" PARENT_SCOPE)
endfunction()

file(READ ${FOLDER}/page.html page)
file(READ ${FOLDER}/page.css style)
set(script "(() => {\n'use strict';\n")
foreach(name ${SCRIPTS})
    file(READ ${FOLDER}/${name} part)
    string(APPEND script "${part}")
endforeach()
string(APPEND script "})();\n")

digest("${style}" style_digest)
digest("${script}" script_digest)
string(CONCAT policy "default-src 'none'; script-src ${script_digest}; style-src ${style_digest}; "
    "img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'")

# The tags touch what is in them: the digests are of every byte between.
string(REPLACE "<style></style>" "<style>${style}</style>" page "${page}")
string(REPLACE "<script></script>" "<script>${script}</script>" page "${page}")
file(WRITE ${OUTPUT}.html "${page}")

string(SHA256 tag "${page}${policy}")
string(SUBSTRING ${tag} 0 32 tag)
file(READ ${OUTPUT}.html bytes HEX)
string(REGEX REPLACE "(................................)" "\\1\n" bytes "${bytes}")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
file(WRITE ${OUTPUT} "/* Made by tools/http/page/page.cmake. */
#include \"tools/http/page.h\"

const unsigned char ptl_page_bytes[] = {
${bytes}
};
const size_t ptl_page_size = sizeof ptl_page_bytes;
const char ptl_page_tag[] = \"\\\"${tag}\\\"\";
const char ptl_page_policy[] =
    \"${policy}\";
")
