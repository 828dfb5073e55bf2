// What Electron's Node-API says to an addon that would show JavaScript memory from outside the engine's heap: "not allowed", 22. The test
// gives a copy of the addon the name of this function in place of Node's.
int napi_create_external_arraybuffXX(void* env, void* bytes, unsigned long length, void* finalize, void* hint, void** result) {
  (void)env;
  (void)bytes;
  (void)length;
  (void)finalize;
  (void)hint;
  (void)result;
  return 22;
}
