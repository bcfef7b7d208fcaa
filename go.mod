module apichain

go 1.25
