# lit suites as ctest tests. lit finds the tests below test/ (one configuration for all of them,
# test/lit.cfg.py); ctest runs them folder by folder, so that its closing line counts them.

find_program(DANAUS_LIT lit HINTS ${LLVM_TOOLS_BINARY_DIR} NO_DEFAULT_PATH REQUIRED)
configure_file(${PROJECT_SOURCE_DIR}/test/lit.site.cfg.py.in
               ${PROJECT_BINARY_DIR}/test/lit.site.cfg.py @ONLY)

# danaus_lit_suite(NAME): the tests in the folder test/NAME (and below) as the ctest test lit-NAME,
# slashes replaced by dashes. A folder without a test fails: lit ends with an error when it finds none.
function(danaus_lit_suite name)
  string(REPLACE "/" "-" test_name "lit-${name}")
  add_test(NAME ${test_name}
           COMMAND ${DANAUS_LIT} -sv --no-progress-bar ${PROJECT_BINARY_DIR}/test/${name})
  # The suites share one file of timings in the build folder.
  set_tests_properties(${test_name} PROPERTIES RESOURCE_LOCK lit LABELS lit)
endfunction()
