module sidespan.dev/bench/generator

go 1.22
