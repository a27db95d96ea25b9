# Toolchain: clang 19 for wasm32 on Debian's wasi-libc and libc++, without an emulator or a framework.
# wasm-ld reads archives without an index, so the system's ar will do.
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_SYSTEM_PROCESSOR wasm32)
set(CMAKE_CXX_COMPILER clang++-19)
set(CMAKE_CXX_COMPILER_TARGET wasm32-wasi)
set(CMAKE_AR /usr/bin/ar)
set(CMAKE_RANLIB /bin/true)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
