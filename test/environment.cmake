# Read by ctest before it runs tests: what they compile is kept in the build folder, not in the
# user's cache. Tests that say where themselves are not affected.
unset(ENV{DANAUS_CACHE})
set(ENV{XDG_CACHE_HOME} "${CMAKE_CURRENT_LIST_DIR}/cache")
