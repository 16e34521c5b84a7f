# s3.mk -- the test of the S3 store against a real gateway; tests/s3/live.sh runs it.
$(B)/tests/s3/s3_live: tests/s3/s3_live.c $(B)/tests/test.o $(foreach l,objstore event base,$(B)/lib/$(l).a)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -Itests $(LDFLAGS) -o $@ $< $(B)/tests/test.o \
		-Wl,--start-group $(foreach l,objstore event base,$(B)/lib/$(l).a) -Wl,--end-group $(LIBS)
