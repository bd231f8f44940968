#!/bin/sh
# Makes the clip of the sample catalogue: a running clock, as long as its longest video. Needs the Debian packages
# ffmpeg and fonts-dejavu-core.
#
#   sh api/media/make_sample_clip.sh
#
# One frame a second, so that the clock shows the second at which a moment opens. A key frame every 4 seconds makes
# seeking exact and fast. Without metadata, so that the same ffmpeg makes the same bytes.
set -eu
cd "$(dirname "$0")"

seconds=226
font=/usr/share/fonts/truetype/dejavu/DejaVuSansMono-Bold.ttf
clock='%{pts\:gmtime\:0\:%M\\\:%S}'

ffmpeg -v error -y -f lavfi -i "color=c=black:s=640x360:r=1:d=$seconds" \
    -vf "drawtext=fontfile=$font:fontcolor=white:fontsize=150:x=(w-tw)/2:y=(h-th)/2:text='$clock'" \
    -c:v libvpx-vp9 -pix_fmt yuv420p -crf 50 -b:v 0 -g 4 -row-mt 0 -threads 1 -an \
    -map_metadata -1 -fflags +bitexact -flags:v +bitexact sample.webm
