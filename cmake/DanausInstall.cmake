# What `cmake --install` and the .deb contain. Programs and the libraries that they open stand in one folder,
# lib/danaus: each finds the others beside itself, through the links in bin too.
set(folder lib/danaus)
set_target_properties(danausc PROPERTIES INSTALL_RPATH ${LLVM_LIBRARY_DIR})
install(TARGETS danaus danausc danaus_gloo danaus_nccl danaus_vgpu danaus_vgpu_v3
        RUNTIME DESTINATION ${folder} LIBRARY DESTINATION ${folder})
foreach(program danaus danausc)
  set(link ${PROJECT_BINARY_DIR}/share/bin/${program})
  file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/share/bin)
  file(CREATE_LINK ../${folder}/${program} ${link} SYMBOLIC)
  install(FILES ${link} DESTINATION bin)
endforeach()

# The man pages and the completions come from the programs themselves.
set(share ${PROJECT_BINARY_DIR}/share)
add_custom_command(OUTPUT ${share}/danaus.1.gz ${share}/danausc.1.gz ${share}/danaus.bash ${share}/_danaus ${share}/danaus.fish
  COMMAND danaus help --man > ${share}/danaus.1
  COMMAND danausc --man -o ${share}/danausc.1
  COMMAND gzip -9nkf ${share}/danaus.1 ${share}/danausc.1
  COMMAND danaus completion bash > ${share}/danaus.bash
  COMMAND danaus completion zsh > ${share}/_danaus
  COMMAND danaus completion fish > ${share}/danaus.fish
  DEPENDS danaus danausc VERBATIM)
add_custom_target(danaus_help_files ALL DEPENDS ${share}/danaus.1.gz)
install(FILES ${share}/danaus.1.gz ${share}/danausc.1.gz DESTINATION share/man/man1)
foreach(program danaus danausc) # looked up by the command's name
  install(FILES ${share}/danaus.bash DESTINATION share/bash-completion/completions RENAME ${program})
endforeach()
install(FILES ${share}/_danaus DESTINATION share/zsh/vendor-completions)
install(FILES ${share}/danaus.fish DESTINATION share/fish/vendor_completions.d)

install(DIRECTORY models DESTINATION share/danaus FILES_MATCHING PATTERN *.yaml)
install(DIRECTORY docs slurm DESTINATION share/doc/danaus
        FILES_MATCHING PATTERN *.md PATTERN *.png PATTERN *.sbatch PATTERN *.svg)
install(FILES README.md DESTINATION share/doc/danaus)
install(FILES LICENSE DESTINATION share/doc/danaus RENAME copyright)
install(FILES packaging/Chart.js-LICENSE DESTINATION share/doc/danaus)

# The .deb: build first, then `cpack --config build/release/CPackConfig.cmake`.
set(CMAKE_SKIP_INSTALL_ALL_DEPENDENCY TRUE)
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME danaus)
set(CPACK_PACKAGE_CONTACT "The Danaus authors")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "train neural networks with dense, low-rank and Monarch layers")
set(CPACK_PACKAGE_DESCRIPTION "A compiler for model specs (danausc) and the program that trains, measures and\nconverts the compiled models (danaus), on CPUs and on NVIDIA's GPUs.")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES TRUE)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
# danausc starts the linker. LLVM's library is named because dpkg-shlibdeps finds it by the run path, as a link of
# llvm-22-dev, which tells of no dependency, and CPack lets it pass. What follows is opened by name when needed.
set(CPACK_DEBIAN_PACKAGE_DEPENDS "lld-${LLVM_VERSION_MAJOR}, libllvm${LLVM_VERSION_MAJOR}")
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS libopenblas0-pthread)
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "dataset-fashion-mnist, libnccl2, libcuda1")
include(CPack)
