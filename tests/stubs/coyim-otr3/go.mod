module github.com/coyim/otr3

go 1.19
