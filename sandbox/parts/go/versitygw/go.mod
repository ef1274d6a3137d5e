module foundation.test/parts/versitygw

go 1.26.0

require github.com/versity/versitygw v1.7.0
