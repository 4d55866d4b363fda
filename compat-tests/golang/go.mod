module bateau/compat/golang

go 1.26.0
